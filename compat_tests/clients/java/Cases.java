import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs named cases one after the other and prints a line for each: {@code PASS name} or {@code FAIL name: why}.
 * A case runs in a thread of its own, so that one that hangs costs its time limit and no more. What
 * happens to the server is asked of whoever started this program.
 */
final class Cases {
    static final long PATIENCE_MS = 30_000;

    interface Body {
        void run() throws Exception;
    }

    private final BufferedReader answers = new BufferedReader(new InputStreamReader(System.in));
    private final String only;
    private Runnable afterEach = () -> { };

    /** With a name only the cases whose name contains it are run. */
    Cases(String only) {
        this.only = only;
    }

    static Cases of(String[] arguments) {
        return new Cases(arguments.length > 1 && !arguments[0].isEmpty() ? arguments[0] : "");
    }

    /** What is to be cleared away behind every case. */
    void afterEach(Runnable cleaning) {
        afterEach = cleaning;
    }

    static String hosts(String[] arguments) {
        return arguments[arguments.length - 1];
    }

    void check(String name, Body body) {
        if (!name.contains(only)) {
            return;
        }
        CompletableFuture<Void> end = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                body.run();
                end.complete(null);
            } catch (Throwable error) {
                end.completeExceptionally(error);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
        try {
            end.get(2 * PATIENCE_MS, TimeUnit.MILLISECONDS);
            say("PASS " + name);
        } catch (TimeoutException error) {
            say("FAIL " + name + ": still at it after " + 2 * PATIENCE_MS + " ms, at " + place(thread.getStackTrace()));
        } catch (ExecutionException error) {
            Throwable cause = error.getCause();
            say("FAIL " + name + ": " + cause + " at " + place(cause.getStackTrace()));
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        } finally {
            afterEach.run();
        }
    }

    /** Ask whoever started this program to do something to the server, and wait until it is done. */
    void ask(String verb) throws IOException {
        say("ASK " + verb);
        if (!"done".equals(answers.readLine())) {
            throw new IOException("nobody did: " + verb);
        }
    }

    static void same(Object expected, Object seen) {
        if (!Objects.equals(expected, seen)) {
            throw new AssertionError("expected " + expected + ", seen " + seen);
        }
    }

    static void yes(boolean fact, String what) {
        if (!fact) {
            throw new AssertionError("not so: " + what);
        }
    }

    static <T extends Throwable> T fails(Class<T> kind, Body body) {
        try {
            body.run();
        } catch (Throwable error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw new AssertionError("expected " + kind.getSimpleName() + ", seen " + error);
        }
        throw new AssertionError("expected " + kind.getSimpleName() + ", and nothing failed");
    }

    /** Wait until something that others bring about is so; for states that tell nobody when they change. */
    static void eventually(String what, Callable<Boolean> fact) throws Exception {
        long deadline = System.nanoTime() + PATIENCE_MS * 1_000_000;
        while (!fact.call()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("never so: " + what);
            }
            Thread.sleep(10);
        }
    }

    /** Run something in a thread of its own. */
    static <T> CompletableFuture<T> inThread(Callable<T> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                result.complete(work.call());
            } catch (Throwable error) {
                result.completeExceptionally(error);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return result;
    }

    static <T> T within(CompletableFuture<T> result) throws Exception {
        return result.get(PATIENCE_MS, TimeUnit.MILLISECONDS);
    }

    static <T> T next(BlockingQueue<T> queue) throws Exception {
        T found = queue.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
        yes(found != null, "something came");
        return found;
    }

    static <T> List<T> next(BlockingQueue<T> queue, int count) throws Exception {
        List<T> found = new ArrayList<>();
        while (found.size() < count) {
            found.add(next(queue));
        }
        return found;
    }

    static <T> void await(BlockingQueue<T> queue, T wanted) throws Exception {
        while (!wanted.equals(next(queue))) {
            continue;
        }
    }

    static synchronized void say(String line) {
        System.out.println(line.replace('\n', ' '));
        System.out.flush();
    }

    /** Where in the programs of this folder something happened. */
    private static String place(StackTraceElement[] trace) {
        StringBuilder found = new StringBuilder();
        for (StackTraceElement frame : trace) {
            if (!frame.getClassName().contains(".") && !frame.getClassName().startsWith("Cases")) {
                found.append(frame.getFileName()).append(':').append(frame.getLineNumber()).append(' ');
            }
        }
        return found.toString();
    }
}
