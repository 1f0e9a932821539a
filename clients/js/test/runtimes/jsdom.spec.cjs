// The CommonJS client in a page of jsdom, as a test of an application has it: jsdom's own WebSocket, no TextEncoder.

const { spawn } = require("node:child_process");
const { createInterface } = require("node:readline");
const { WseClient } = require("../..");

let bed;
let url;
const events = [];

beforeAll(async () => {
  bed = spawn(process.env.WSE_TESTBED, ["--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  url = await new Promise((resolve, reject) => {
    bed.once("exit", () => reject(new Error("the testbed has ended")));
    createInterface({ input: bed.stdout }).on("line", (line) => {
      if (line.startsWith("ready ")) resolve(`ws://${line.slice("ready ".length)}/`);
      else events.push(JSON.parse(line));
    });
  });
});

afterAll(() => new Promise((resolve) => bed.once("exit", resolve).kill("SIGTERM")));

const clients = [];
const client = (options) => {
  const made = new WseClient({ url, ...options });
  clients.push(made);
  return made;
};

afterEach(() => clients.splice(0).forEach((made) => made.close()));

test("this is a page without TextEncoder", () => {
  expect([typeof window, typeof WebSocket, typeof TextEncoder]).toEqual(["object", "function", "undefined"]);
});

test("messages and calls go both ways", async () => {
  const ann = client();
  ann.register("double", ({ value }) => 2 * value);
  const called = new Promise((resolve) => ann.channel.once("called", resolve));
  expect(await ann.connect("user-ann")).toEqual({ hey: "some data" });
  expect(await ann.call("add", { a: 2, b: 3 })).toBe(5);
  ann.send("call-me", { rp: "double", payload: { value: 21 } });
  expect(await called).toEqual({ ok: 42 });
});

test("close settles everything, and cuts a reason that is longer than a close frame holds", async () => {
  const ben = client();
  await ben.connect("user-ben");
  const call = ben.call("sleep", 60_000);
  const closed = new Promise((resolve) => ben.when.closed((code) => resolve(code)));
  ben.close("€".repeat(100));
  await expect(call).rejects.toMatchObject({ code: "wse.client.rp.disconnect" });
  expect(await closed).toBe(1000);
  expect(ben.status).toBe("OFFLINE");
  await until(() => events.some(({ event, cid, reason }) => event === "left" && cid === "user-ben" && reason === "€".repeat(41)));
});

test("a session goes on after a cut", async () => {
  const cid = client({ re: { min: 20, max: 100 } });
  await cid.connect("user-cid");
  const arrival = new Promise((resolve) => cid.when.ready((_, how) => how.resumed && resolve(how)));
  const sum = cid.call("sleep", 300);
  cid.send("cut");
  expect(await arrival).toEqual({ resumed: true, lost: 0 });
  expect(await sum).toBe(300);
});

const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};
