/* Everything node-zookeeper-client can do, against the server named last on the command line.
 *
 * Prints `PASS name` or `FAIL name: why` for each case, and asks for outages of the server with `ASK verb`.
 */
'use strict';

const assert = require('assert').strict;
const { once } = require('events');
const { promisify } = require('util');
const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const PATIENCE_MS = 30000;
const [only, hosts] = process.argv.length > 3 ? process.argv.slice(2, 4) : ['', process.argv[2]];
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { CreateMode, Exception, ACL, Permission, Id, State, Event } = zookeeper;
const cases = [];
let open = [];
let places = 0;

function check(name, body) {
    if (name.includes(only)) {
        cases.push([name, body]);
    }
}

function within(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`never: ${what}`)), PATIENCE_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function ask(verb) {
    console.log(`ASK ${verb}`);
    const { value } = await answers.next();
    assert.equal(value, 'done');
}

/* A client whose calls give promises; where the original gives two results, an array of both. */
function wrap(client) {
    const call = (name, ...results) => (...given) =>
        within(new Promise((resolve, reject) => {
            client[name](...given, (error, ...answer) => {
                if (error) {
                    reject(error);
                } else {
                    resolve(results.length === 2 ? answer.slice(0, 2) : answer[0]);
                }
            });
        }), name);
    return {
        raw: client,
        create: call('create'),
        remove: call('remove'),
        exists: call('exists'),
        children: call('getChildren', 'names', 'stat'),
        get: call('getData', 'data', 'stat'),
        set: call('setData'),
        getACL: call('getACL', 'acl', 'stat'),
        setACL: call('setACL'),
        mkdirp: call('mkdirp'),
        removeRecursive: call('removeRecursive'),
        list: call('listSubTreeBFS'),
    };
}

async function connected(path = '') {
    const client = zookeeper.createClient(hosts + path, { sessionTimeout: 6000, spinDelay: 50, retries: 3 });
    open.push(client);
    const ready = once(client, 'connected');
    client.connect();
    await within(ready, 'a connection');
    return wrap(client);
}

/* Ask for an outage and wait until a client is back.
 *
 * A Java server that is just starting may take a connection and forget it, and this library waits for ever
 * for the answer to a handshake; so connections without one are cut off here.
 */
async function outage(verb, client) {
    const manager = client.raw.connectionManager;
    const back = once(client.raw, 'disconnected').then(() => once(client.raw, 'connected'));
    await ask(verb);
    const impatience = setInterval(() => {
        if (client.raw.getState() !== State.SYNC_CONNECTED && manager.socket) {
            manager.socket.destroy();
        }
    }, 1000);
    await within(back, 'a new connection').finally(() => clearInterval(impatience));
}

async function place(client) {
    places += 1;
    return client.create(`/node-${places}`);
}

async function fails(name, promise) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.getCode(), Exception[name], `${error} is no ${name}`);
        return true;
    });
}

/* Watchers' events, one after the other. */
function notes() {
    const seen = [];
    const waiting = [];
    return {
        watcher: (event) => {
            const line = `${event.getName()} ${event.getPath()}`;
            if (waiting.length) {
                waiting.shift()(line);
            } else {
                seen.push(line);
            }
        },
        next: () => (seen.length
            ? Promise.resolve(seen.shift())
            : within(new Promise((resolve) => waiting.push(resolve)), 'an event')),
        left: () => seen.length,
    };
}

check('create, get, set and remove', async () => {
    const client = await connected();
    const path = await place(client);
    assert.equal(await client.create(`${path}/a`, Buffer.from('one')), `${path}/a`);
    const [data, stat] = await client.get(`${path}/a`);
    assert.equal(data.toString(), 'one');
    assert.equal(stat.version, 0);
    assert.equal((await client.set(`${path}/a`, Buffer.from('two'), 0)).version, 1);
    await fails('BAD_VERSION', client.set(`${path}/a`, Buffer.from('no'), 0));
    await fails('NODE_EXISTS', client.create(`${path}/a`));
    await fails('NO_NODE', client.get(`${path}/none`));
    await fails('NOT_EMPTY', client.remove(path));
    await client.remove(`${path}/a`, 1);
    assert.equal(await client.exists(`${path}/a`), null);
});

check('no data', async () => {
    const client = await connected();
    const path = await place(client);
    const [data, stat] = await client.get(path);
    assert.equal(data, undefined);
    assert.equal(stat.dataLength, 0);
});

check('children', async () => {
    const client = await connected();
    const path = await place(client);
    await Promise.all(['a', 'b', 'c'].map((name) => client.create(`${path}/${name}`)));
    const [names, stat] = await client.children(path);
    assert.deepEqual(names.sort(), ['a', 'b', 'c']);
    assert.equal(stat.numChildren, 3);
});

check('ephemeral and sequential nodes', async () => {
    const client = await connected();
    const path = await place(client);
    assert.equal(await client.create(`${path}/s-`, CreateMode.PERSISTENT_SEQUENTIAL), `${path}/s-0000000000`);
    const mine = await client.create(`${path}/e-`, CreateMode.EPHEMERAL_SEQUENTIAL);
    assert.equal(mine, `${path}/e-0000000001`);
    await fails('NO_CHILDREN_FOR_EPHEMERALS', client.create(`${mine}/x`));
    const other = await connected();
    client.raw.close();
    await within(once(client.raw, 'disconnected'), 'the end of the session');
    assert.equal(await other.exists(mine), null);
});

check('permissions', async () => {
    const owner = await connected();
    const path = await place(owner);
    owner.raw.addAuthInfo('digest', Buffer.from('ann:secret'));
    const mine = [new ACL(Permission.ALL, new Id('auth', ''))];
    await owner.create(`${path}/mine`, Buffer.from('x'), mine);
    assert.equal((await owner.getACL(`${path}/mine`))[0][0].id.scheme, 'digest');
    const stranger = await connected();
    await fails('NO_AUTH', stranger.get(`${path}/mine`));
    await owner.setACL(`${path}/mine`, ACL.READ_ACL_UNSAFE, 0);
    assert.equal((await stranger.get(`${path}/mine`))[0].toString(), 'x');
    await fails('INVALID_ACL', stranger.create(`${path}/bad`, mine));
});

check('failed authentication is told', async () => {
    const client = await connected();
    const failed = once(client.raw, 'authenticationFailed');
    client.raw.addAuthInfo('nonsense', Buffer.from('x'));
    await within(failed, 'authenticationFailed');
});

check('transactions', async () => {
    const client = await connected();
    const path = await place(client);
    const commit = (transaction) => promisify(transaction.commit.bind(transaction))();
    const results = await commit(client.raw.transaction()
        .create(`${path}/a`, Buffer.from('x'))
        .check(`${path}/a`, 0)
        .setData(`${path}/a`, Buffer.from('y'), 0)
        .create(`${path}/b`)
        .remove(`${path}/b`, -1));
    assert.equal(results.length, 5);
    assert.equal(results[0].path, `${path}/a`);
    await fails('BAD_VERSION', commit(client.raw.transaction()
        .create(`${path}/never`)
        .check(`${path}/a`, 7)));
    assert.equal(await client.exists(`${path}/never`), null);
});

check('watches', async () => {
    const client = await connected();
    const writer = await connected();
    const path = await place(writer);
    const seen = notes();
    assert.equal(await client.exists(`${path}/a`, seen.watcher), null);
    await writer.create(`${path}/a`);
    assert.equal(await seen.next(), `NODE_CREATED ${path}/a`);
    await client.get(`${path}/a`, seen.watcher);
    await writer.set(`${path}/a`, Buffer.from('1'));
    assert.equal(await seen.next(), `NODE_DATA_CHANGED ${path}/a`);
    await client.children(path, seen.watcher);
    await writer.remove(`${path}/a`);
    assert.equal(await seen.next(), `NODE_CHILDREN_CHANGED ${path}`);
    await writer.set(path, Buffer.from('2'));
    await client.exists(path);
    assert.equal(seen.left(), 0);
});

check('helpers for whole trees', async () => {
    const client = await connected();
    const path = await place(client);
    assert.equal(await client.mkdirp(`${path}/a/b/c`), `${path}/a/b/c`);
    /* The library lists two levels and no more. */
    assert.deepEqual(await client.list(`${path}/a/b`), [`${path}/a/b`, `${path}/a/b/c`]);
    await client.removeRecursive(`${path}/a/b`, -1);
    assert.equal(await client.exists(`${path}/a/b`), null);
});

check('chroot', async () => {
    const outside = await connected();
    const path = await place(outside);
    const inside = await connected(path);
    await inside.create('/x', Buffer.from('1'));
    assert.equal((await outside.get(`${path}/x`))[0].toString(), '1');
});

check('a node of 900 KB', async () => {
    const client = await connected();
    const path = await place(client);
    const data = Buffer.alloc(900 * 1024, 'zoolet');
    await client.create(`${path}/large`, data);
    assert.ok(data.equals((await client.get(`${path}/large`))[0]));
});

check('2,000 creates in flight are done in order', async () => {
    const client = await connected();
    const path = await place(client);
    const made = await Promise.all(Array.from({ length: 2000 },
        () => client.create(`${path}/n-`, CreateMode.PERSISTENT_SEQUENTIAL)));
    made.forEach((name, number) => assert.equal(name, `${path}/n-${String(number).padStart(10, '0')}`));
});

check('session, watches and identities live through a restart', async () => {
    const client = await connected();
    const path = await place(client);
    const seen = notes();
    client.raw.addAuthInfo('digest', Buffer.from('ann:secret'));
    await client.create(`${path}/mine`, Buffer.from('x'), [new ACL(Permission.ALL, new Id('auth', ''))],
        CreateMode.EPHEMERAL);
    await client.get(path, seen.watcher);
    const id = client.raw.getSessionId().toString('hex');
    await outage('restart', client);
    assert.equal(client.raw.getSessionId().toString('hex'), id);
    assert.equal((await client.get(`${path}/mine`))[0].toString(), 'x');
    assert.equal(seen.left(), 0);
    await client.set(path, Buffer.from('new'));
    assert.equal(await seen.next(), `NODE_DATA_CHANGED ${path}`);
});

check('what was answered survives a SIGKILL', async () => {
    const client = await connected();
    const path = await place(client);
    await Promise.all(Array.from({ length: 100 }, (_, number) => client.create(`${path}/${number}`)));
    await outage('crash', client);
    assert.equal((await client.children(path))[0].length, 100);
});

check('a session that nobody renewed has expired', async () => {
    const client = await connected();
    const witness = await connected();
    const path = await place(client);
    await client.create(`${path}/mine`, CreateMode.EPHEMERAL);
    const seen = notes();
    await witness.exists(`${path}/mine`, seen.watcher);
    const expired = once(client.raw, 'expired');
    /* Its next connection brings a wrong password: as if its session had ended meanwhile. */
    client.raw.connectionManager.sessionPassword[3] ^= 1;
    client.raw.connectionManager.socket.destroy();
    await within(expired, 'expired');
    assert.equal(client.raw.getState(), State.EXPIRED);
    assert.equal(await seen.next(), `NODE_DELETED ${path}/mine`);
    assert.ok(Event.NODE_DELETED);
});

async function main() {
    for (const [name, body] of cases) {
        try {
            await within(body(), name);
            console.log(`PASS ${name}`);
        } catch (error) {
            console.log(`FAIL ${name}: ${String(error.stack).replace(/\s*\n\s*/g, ' ')}`);
        }
        open.forEach((client) => client.close());
        open = [];
    }
    process.exit(0);
}

main();
