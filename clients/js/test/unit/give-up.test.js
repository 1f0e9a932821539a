// Tests of what is final and what is tried again, before and after the first welcome.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseError } from "../../dist/index.js";
import { fakeClient, readyClient, refusal, tick } from "../tools/fake.js";
import { again, grant, resumed, sessionClient, still } from "../tools/session.js";

/** Begins to connect, and returns the first socket, open. */
async function dial(fake, ...args) {
  const welcome = fake.client.connect(...args);
  welcome.catch(() => {});
  await tick();
  fake.sockets.at(-1)?.open();
  return { welcome, socket: fake.sockets.at(-1) };
}

const TEMPORARY = [1005, 1006, 1011, 1012, 1013, 1014, 4000];
const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
const UNCLEAR = [1001, 1015, 3000, 3500, 4001, 4401, 4999];

test("before the first welcome only these codes are tried again, and with persistent all but the verdicts", async (t) => {
  still(t);
  for (const persistent of [false, true]) {
    for (const code of [...TEMPORARY, ...FINAL, ...UNCLEAR]) {
      const fake = fakeClient({ re: { persistent } });
      const { socket } = await dial(fake);
      socket.end(code, "why");
      const tried = TEMPORARY.includes(code) || (persistent && UNCLEAR.includes(code));
      assert.equal(fake.client.status, tried ? "RE_CONNECTING" : "OFFLINE", `${persistent} ${code}`);
      fake.client.close();
    }
  }
});

test("attempts after the first welcome are tried again whatever they met, with growing waits", async (t) => {
  const pass = still(t);
  const fake = await readyClient({ re: true });
  fake.socket.end();
  for (const [n, code] of UNCLEAR.entries()) {
    const before = fake.sockets.length;
    await pass(Math.min(500 * 2 ** n, 20_000) - 1);
    assert.equal(fake.sockets.length, before, `${code}`);
    await pass(1);
    fake.sockets.at(-1).open();
    fake.sockets.at(-1).end(code, "");
    assert.equal(fake.client.status, "RE_CONNECTING", `${code}`);
  }
});

test("a welcome counts until the client is OFFLINE, and for its address only", async (t) => {
  const pass = still(t);
  const fake = await readyClient({ re: true });
  fake.socket.end(1000, "wse.by-server");
  const { welcome, socket } = await dial(fake);
  socket.end(4401);
  assert.match(await refusal(welcome), /^wse.client.connection-closed closed: 4401/);
  await dial(fake);
  fake.sockets.at(-1).say("~wse:welcome", null, null);
  const jumped = refusal(fake.client.jump("ws://b.test/"));
  await tick();
  fake.sockets.at(-1).end(4401);
  assert.match(await jumped, /^wse.client.connection-closed closed: 4401/);
  assert.equal(fake.client.status, "OFFLINE");
  await pass(100_000);
});

test("an identity function that throws is tried again; a WseError of it is final before the first welcome only", async (t) => {
  const pass = still(t);
  for (const thrown of [new TypeError("fetch failed"), new WseError("logged-out")]) {
    let fails = false;
    const identity = () => {
      if (fails) throw thrown;
      return "token";
    };
    const fake = fakeClient({ re: true });
    const { socket } = await dial(fake, identity);
    socket.say("~wse:welcome", null, null);
    fails = true;
    socket.end();
    for (const wait of [500, 1000, 2000]) {
      await pass(wait);
      assert.deepEqual([fake.client.status, fake.sockets.length], ["RE_CONNECTING", 1]);
      assert.match(fake.told.at(-1), /^error (wse.client.ws-error fetch failed|logged-out logged-out)$/);
    }
    fails = false;
    await pass(4000);
    assert.equal(fake.sockets.length, 2);
    fake.client.close();

    fails = true;
    for (const persistent of [false, true]) {
      const first = fakeClient({ re: { persistent } });
      first.client.connect(identity).catch(() => {});
      await tick();
      assert.equal(first.client.status, persistent || thrown instanceof TypeError ? "RE_CONNECTING" : "OFFLINE");
      first.client.close();
    }
  }
});

test("a challenge that is not solved is tried again after the first welcome", async (t) => {
  const pass = still(t);
  const fake = await readyClient({ re: true });
  fake.client.challenge(() => { throw new Error("no network"); });
  fake.socket.end();
  await pass(500);
  fake.sockets[1].open();
  fake.sockets[1].say("~wse:challenge", 1, null);
  await tick();
  assert.deepEqual([fake.client.status, fake.sockets[1].closedWith], ["RE_CONNECTING", [1000, "wse.by-client"]]);
  assert.equal(fake.told.at(-1), "error wse.client.invalid-cra-handler no network");
});

test("an address that does not work stays final, with persistent too", async (t) => {
  const pass = still(t);
  class Throws {
    constructor() {
      throw new SyntaxError("no URL");
    }
  }
  for (const re of [true, { persistent: true }, { final: () => false }]) {
    for (const WebSocket of [Throws, null]) {
      const { client } = fakeClient({ WebSocket, re });
      assert.match(await refusal(client.connect()), /^wse.client.ws-error/);
      assert.equal(client.status, "OFFLINE");
    }
  }
  await pass(100_000);
});

test("a predicate decides instead of the codes, before the first welcome and after it", async (t) => {
  still(t);
  const seen = [];
  const final = (cause) => {
    seen.push([cause.code, cause.details.code, cause.details.reason]);
    return cause.details.code === 4401;
  };
  for (const welcomed of [false, true]) {
    for (const [code, again] of [[4401, false], [1000, true], [1008, true], [4402, true]]) {
      const fake = welcomed ? await readyClient({ re: { final } }) : fakeClient({ re: { final } });
      if (!welcomed) await dial(fake);
      fake.sockets[0].end(code, "why");
      assert.equal(fake.client.status, again ? "RE_CONNECTING" : "OFFLINE", `${code}`);
      assert.deepEqual(seen.pop(), ["wse.client.connection-closed", code, "why"]);
      fake.client.close();
    }
  }
  assert.equal(seen.length, 0, "close is not asked about");
  const printed = t.mock.method(console, "error", () => {});
  const fake = await readyClient({ re: { final() { throw new Error("a bug"); } } });
  fake.socket.end();
  assert.deepEqual([fake.client.status, printed.mock.calls[0].arguments[0].message], ["RE_CONNECTING", "a bug"]);
});

test("a predicate that connects as another user, or calls close, has its way, whatever it returns", async (t) => {
  const pass = still(t);
  for (const verdict of [true, false]) {
    let act = () => fake.client.connect("ben").catch(() => {});
    const fake = await readyClient({ re: { final: () => (act(), verdict) } });
    fake.client.close();
    const { socket } = await dial(fake, "ann");
    socket.end();
    await tick();
    assert.equal(fake.client.status, "CONNECTING");
    fake.sockets.at(-1).open();
    assert.equal(fake.sockets.at(-1).take()[0][1].identity, "ben");
    act = () => fake.client.close();
    fake.sockets.at(-1).end();
    await pass(60_000);
    assert.deepEqual([fake.client.status, fake.sockets.length], ["OFFLINE", 3], `${verdict}`);
  }
});

test("connect with another identity while an attempt runs abandons it, and nobody comes back as the old user", async (t) => {
  const pass = still(t);
  for (const welcomed of [false, true]) {
    const fake = welcomed ? await readyClient({ re: true }) : fakeClient({ re: true });
    if (welcomed) {
      fake.socket.end();
      await pass(500);
    } else fake.client.connect("ann").catch(() => {});
    await tick();
    const old = fake.sockets.at(-1);
    old.open();
    assert.equal(old.take()[0][1].identity, "ann");
    assert.match(await refusal(fake.client.connect()), /^wse.client.already-connected/, "nothing is new");
    assert.match(await refusal(fake.client.connect("ann")), /^wse.client.already-connected/, "nothing is new");
    const welcome = fake.client.connect("bob");
    assert.deepEqual(old.closedWith, [1000, "wse.by-client"]);
    old.say("~wse:welcome", "as ann", null);
    await tick();
    assert.notEqual(fake.client.status, "READY");
    const next = fake.sockets.at(-1);
    next.open();
    assert.equal(next.take()[0][1].identity, "bob");
    next.say("~wse:welcome", "as bob", null);
    assert.equal(await welcome, "as bob");
    assert.match(await refusal(fake.client.connect("carl")), /^wse.client.already-connected/);
    next.end();
    await pass(500);
    fake.sockets.at(-1).open();
    assert.equal(fake.sockets.at(-1).take()[0][1].identity, "bob");
    fake.client.close();
  }
});

test("a new identity that comes while the old one is still asked for is the only one that is sent", async (t) => {
  still(t);
  const fake = fakeClient({ re: true });
  let give;
  fake.client.connect(() => new Promise((resolve) => (give = resolve))).catch(() => {});
  await tick();
  const welcome = fake.client.connect("bob");
  give("ann");
  await tick();
  assert.equal(fake.sockets.length, 1);
  fake.sockets[0].open();
  assert.equal(fake.sockets[0].take()[0][1].identity, "bob");
  fake.sockets[0].say("~wse:welcome", 1, null);
  assert.equal(await welcome, 1);
});

test("1012 and 1013 say when to come back, and no other code does", async (t) => {
  const pass = still(t);
  const cases = [
    [1012, "wse.restart after=7000", 7100], [1013, "wse.later after=7000", 7100], [1013, "after=7000 wse.later", 7100],
    [1011, "after=7000", 500], [1001, "away after=7000", 500], [1013, "thereafter=7000", 500], [1013, "x-after=7000", 500], [1013, "after=7000ms", 500], [1013, "after=7000.5", 500],
  ];
  for (const [code, reason, wait] of cases) {
    const { client, socket, sockets } = await readyClient({ re: true });
    socket.end(code, reason);
    await pass(wait - 1);
    assert.equal(sockets.length, 1, `${code} ${reason}`);
    await pass(1);
    assert.equal(sockets.length, 2, `${code} ${reason}`);
    client.close();
  }
});

/** Mocks the clock too. */
function clock(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  t.mock.method(Math, "random", () => 1);
  return async (ms) => {
    t.mock.timers.tick(ms);
    await tick();
  };
}

test("a 1013 within 10 s of its welcome is an attempt that failed, a later one is not", async (t) => {
  const pass = clock(t);
  for (const [lasted, waits] of [[10_000, [500, 1000, 2000, 4000]], [10_001, [500, 500, 500, 500]]]) {
    const { client, sockets } = await readyClient({ re: true });
    for (const wait of waits) {
      await pass(lasted);
      sockets.at(-1).end(1013, "wse.slow");
      const before = sockets.length;
      await pass(wait - 1);
      assert.equal(sockets.length, before, `${lasted} ${wait}`);
      await pass(1);
      assert.equal(sockets.length, before + 1, `${lasted} ${wait}`);
      sockets.at(-1).open();
      sockets.at(-1).say("~wse:welcome", null, null);
    }
    client.close();
  }
});

test("a session that is resumed eight times without progress is given up, and the waits grow meanwhile", async (t) => {
  const pass = clock(t);
  const fake = await sessionClient();
  fake.client.send("poison");
  const call = refusal(fake.client.call("x", null, { timeout: 0 }));
  fake.socket.end();
  for (let n = 1; n <= 8; n++) {
    const before = fake.sockets.length;
    await pass(Math.min(500 * 2 ** (n - 1), 20_000) - 1);
    assert.equal(fake.sockets.length, before, `${n}`);
    await pass(1);
    const socket = fake.sockets.at(-1);
    socket.open();
    assert.deepEqual(socket.take()[0][1].session, { resume: `T${n}`, seen: 0 });
    resumed(socket, 0, `T${n + 1}`);
    assert.equal(fake.client.status, "READY");
    socket.end();
  }
  assert.match(await call, /^wse.client.rp.disconnect/);
  assert.throws(() => fake.client.send("m"), { code: "wse.client.not-ready" });
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, {});
  socket.say("~wse:welcome", null, grant());
  assert.deepEqual(fake.arrivals.at(-1), { resumed: false, lost: 2 });
});

test("a connection that stood for more than 10 s is progress, although nothing happened over it", async (t) => {
  const pass = clock(t);
  const fake = await sessionClient();
  fake.socket.end();
  for (let n = 1; n <= 12; n++) {
    await pass(500);
    const socket = fake.sockets.at(-1);
    assert.equal(fake.sockets.length, n + 1, "the waits do not grow");
    socket.open();
    assert.ok(socket.take()[0][1].session.resume, `${n}`);
    resumed(socket, 0);
    await pass(10_001);
    socket.end();
  }
});

test("but not while something waits to be acknowledged: a network may swallow it", async (t) => {
  const pass = clock(t);
  const fake = await sessionClient();
  fake.client.send("poison");
  fake.socket.end();
  for (let n = 1; n <= 8; n++) {
    const { socket, asked } = await again(fake, pass);
    assert.ok(asked.resume, `${n}`);
    resumed(socket, 0);
    await pass(35_000);
    socket.end();
  }
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, {});
  socket.say("~wse:welcome", null, grant());
  assert.deepEqual(fake.arrivals.at(-1), { resumed: false, lost: 1 });
});

test("one envelope that was taken in or acknowledged is progress", async (t) => {
  const pass = clock(t);
  for (const progress of [(socket) => socket.say("m", 1), (socket) => socket.say("~wse:ack", 1)]) {
    const fake = await sessionClient();
    fake.client.send("m");
    fake.socket.end();
    for (let n = 1; n <= 12; n++) {
      const { socket, asked } = await again(fake, pass);
      assert.ok(asked.resume, `${n}`);
      resumed(socket, n > 5 && progress.toString().includes("ack") ? 1 : 0);
      if (n === 5) progress(socket);
      socket.end();
      if (n === 5) {
        const before = fake.sockets.length;
        await pass(500);
        assert.equal(fake.sockets.length, before + 1, "the waits start over");
        fake.sockets.at(-1).end();
      }
    }
    fake.client.close();
  }
});

test("a session goes on after every end that may be the network's", async (t) => {
  const pass = still(t);
  for (const code of [1001, 1006, 1011, 1014, 1015, 3000, 4401]) {
    const fake = await sessionClient();
    const call = fake.client.call("x");
    const [[, , stamp]] = fake.socket.take();
    fake.socket.end(code, "proxy");
    fake.client.send("m");
    const { socket, asked } = await again(fake, pass);
    assert.deepEqual(asked, { resume: "T1", seen: 0 }, `${code}`);
    resumed(socket, 1);
    socket.say("~wse:response", 5, stamp);
    assert.equal(await call, 5);
    fake.client.close();
  }
});
