// Both ends of every test: npm's peers in this process, the testbed and the test client as
// children. Whatever a test starts ends with it, and nothing is waited for longer than a moment.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { inspect, isDeepStrictEqual } from 'node:util'

const require = createRequire(path.join(path.resolve(named('WSE_INTEROP_PACKAGES')), 'package.json'))
export const Client = require('ws-messaging/client')
export const Server = require('ws-messaging')
export const WebSocket = require('ws')
export const msgpack = require('msgpack-lite')

/** The options of every test. */
export const LIMIT = { timeout: 60_000 }
/** What a single wait may take, in ms. */
const MOMENT = 15_000

/** The two formats of ws-messaging: npm's options, the test client's, a frame of one value, and what
  * the text of an error about an undecodable one begins with. */
export const formats = [
  {
    name: 'JSON',
    options: {},
    flags: [],
    encode: JSON.stringify,
    decode: JSON.parse,
    undecodable: /^SyntaxError: /
  },
  {
    name: 'MessagePack',
    options: { encoder: msgpack.encode, decoder: data => msgpack.decode(Buffer.from(data)) },
    flags: ['--messagepack'],
    encode: value => msgpack.encode(value),
    decode: data => msgpack.decode(data),
    undecodable: /^Error: /
  }
]

/** Frames that are none, as JSON texts: the first does not decode, the others do not validate. */
export const invalid = [
  'arbitrary', '{"name":"n","args":""}', '{"name":"n","args":[],"data":1}', '{"id":-1}', '{"id":1,"data":1}', '"str"'
]

/** Frames that are valid and mean nothing: an answer to no call, reserved names. */
export const ignored = ['{"id":9,"result":1}', '{"name":"retry","args":[]}', '{"name":"connect","args":[]}']

/** The frame that a JSON text is in that format; what is no JSON becomes what is no MessagePack. */
export function frame (format, text) {
  if (format.name === 'JSON') { return text }
  return text === 'arbitrary' ? Buffer.from([0xc1]) : format.encode(JSON.parse(text))
}

/** Fails unless this is the one argument that answers the frame of that text. */
export function answers (args, format, text) {
  assert.equal(args.length, 1)
  assert.match(args[0], text === 'arbitrary' ? format.undecodable : /^Error: Validation error$/, text)
}

/** What was seen, in order. A test waits for what it needs, and takes it out. */
export class Log {
  #seen = []
  #waiting = []

  constructor (whose, more = () => '') {
    this.whose = whose
    this.more = more
  }

  add (entry) {
    const at = this.#waiting.findIndex(({ wanted }) => holds(entry, wanted))
    if (at < 0) { this.#seen.push(entry) } else { this.#waiting.splice(at, 1)[0].resolve(entry) }
  }

  /** The first entry that has all these fields. */
  next (wanted) {
    const at = this.#seen.findIndex(entry => holds(entry, wanted))
    if (at >= 0) { return Promise.resolve(this.#seen.splice(at, 1)[0]) }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter(one => one !== waiting)
        const seen = inspect(this.#seen, { depth: 6 })
        reject(new Error(`${this.whose} never saw ${inspect(wanted)}, but ${seen}${this.more()}`))
      }, MOMENT)
      const waiting = { wanted, resolve: entry => { clearTimeout(timer); resolve(entry) } }
      this.#waiting.push(waiting)
    })
  }

  /** Everything that nobody has taken and that has all these fields. */
  rest (wanted = {}) {
    return this.#seen.filter(entry => holds(entry, wanted))
  }
}

function holds (entry, wanted) {
  return Object.entries(wanted).every(([name, value]) => isDeepStrictEqual(entry[name], value))
}

function named (variable) {
  const value = process.env[variable]
  assert.ok(value, `${variable} is not set: these tests are run by \`cargo xtask test interop\``)
  return value
}

const children = new Set()
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

/** One of our two examples. Its lines are logged: JSON as it is, others as `{line}`. */
class Child {
  constructor (t, variable, args) {
    const env = { ...process.env, RUST_BACKTRACE: '0' }
    this.process = spawn(path.resolve(named(variable)), args, { env })
    children.add(this.process)
    let said = ''
    this.process.stderr.on('data', data => { said = (said + data).slice(-2000) })
    this.process.stdin.on('error', () => {}) // it has ended, which whoever waits for it sees
    this.ended = once(this.process, 'exit')
    this.ended.then(() => children.delete(this.process), () => {})
    this.log = new Log(path.basename(process.env[variable]), () => said && `\nstderr: ${said}`)
    createInterface({ input: this.process.stdout }).on('line', line => {
      this.log.add(line.startsWith('{') ? JSON.parse(line) : { line })
    })
    t.after(() => this.kill('SIGKILL'))
  }

  /** Sends a signal and waits for the end; the exit status. */
  async kill (signal) {
    this.process.kill(signal)
    if (signal === 'SIGKILL') { this.process.kill('SIGCONT') }
    return (await this.ended)[0]
  }

  next (wanted) {
    return this.log.next(wanted)
  }
}

/** A testbed that listens. */
export async function testbed (t, args = [], port = 0) {
  const bed = new Child(t, 'WSE_TESTBED', ['--port', String(port), ...args])
  const first = bed.next({})
  const { line } = await Promise.race([first, bed.ended.then(([code]) => ({ line: `ended with ${code}` }))])
  assert.match(line, /^ready /)
  bed.url = `ws://${line.slice('ready '.length)}/`
  bed.port = Number(new URL(bed.url).port)
  return bed
}

/** A test client, which does nothing yet. */
export function testclient (t, url, ...args) {
  const guest = new Child(t, 'WSE_TESTCLIENT', ['--url', url, '--protocol', 'ws-messaging', ...args])
  let id = 0
  guest.do = async command => {
    guest.process.stdin.write(`${JSON.stringify({ ...command, id: ++id })}\n`)
    const { id: _, ...answer } = await guest.next({ id })
    return answer
  }
  return guest
}

const NAMES = [
  'both', 'called', 'close', 'connect', 'echo', 'e', 'error', 'greeting', 'held', 'news', 'only', 'ping', 'pong',
  'preprocessingError', 'retry', 'who'
]

/** Logs what npm's client says as `{name, args}`; of a close the code and the reason. */
export function watch (client, log) {
  for (const name of NAMES) {
    client.on(name, (...args) => log.add({ name, args: name === 'close' ? [args[0].code, args[0].reason] : args }))
  }
}

/** npm's client, which connects at once and comes back soon. What is `undefined` has npm's default. */
export function wsMessaging (t, url, format, options = {}) {
  const chosen = {
    WebSocket,
    auth: { identity: 'valid-secret' },
    autoReconnectOptions: { factor: 1, minTimeout: 50, randomize: false, retries: 200 },
    ...format.options,
    ...options
  }
  const client = new Client(url, Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined)))
  const log = new Log('npm\'s client')
  watch(client, log)
  t.after(() => {
    client.close()
    clearTimeout(client.reconnectTimeoutId)
    client.socket.terminate()
  })
  return { client, log, next: (name, ...args) => log.next(args.length ? { name, args } : { name }) }
}

/** npm's server. Who comes in is logged as `{name: 'connection', client, auth, log}`. */
export async function wsMessagingServer (t, format, { sockets = {}, ...options } = {}, listen = {}) {
  const log = new Log('npm\'s server')
  const connectionHook = async (client, auth) => {
    const own = new Log('npm\'s server\'s client')
    watch(client, own)
    if (auth === 'wrong') {
      own.refused = true
      log.add({ name: 'refused', client, log: own })
      throw new Error('Auth error')
    }
    log.add({ name: 'connection', client, auth, log: own })
    return auth.welcome
  }
  const server = new Server(
    { port: 0, host: '127.0.0.1', ...listen },
    { connectionHook, ...options },
    { ...format.options, ...sockets }
  )
  t.after(() => {
    server.wss.clients.forEach(socket => socket.terminate())
    return server.close().catch(() => {}) // it may be closed already
  })
  await once(server, 'ready')
  const { port } = server.wss.address()
  return { server, port, url: `ws://127.0.0.1:${port}/`, log, next: name => log.next({ name }) }
}
