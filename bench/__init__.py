"""zoolet measured beside the Java server: ``python -m bench``. Not part of the installed package."""
