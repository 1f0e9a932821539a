// Our test client against npm's server: pings, timeouts, frames that are none, coming back.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { LIMIT, answers, formats, frame, ignored, invalid, testclient, wsMessagingServer } from './peers.mjs'

const SOON = ['--reconnect', '--backoff-min', '20ms', '--backoff-max', '50ms']

/** A test client that is ready at that server, with the server's end of it. */
async function ready (t, server, format, ...args) {
  const guest = testclient(t, server.url, ...format.flags, '--identity', '{"token":"t1"}', ...args)
  assert.deepEqual(await guest.do({ do: 'connect' }), { ok: null })
  await guest.next({ event: 'ready' })
  return { guest, ...await server.next('connection') }
}

/** A way to the server on which only the upgrade request comes through, until the rest is released. */
async function slow (t, port) {
  let release
  const released = new Promise(resolve => { release = resolve })
  const way = createServer(near => {
    const far = connect(port, '127.0.0.1')
    t.after(() => { near.destroy(); far.destroy() })
    for (const end of [near, far]) { end.on('error', () => {}) }
    far.pipe(near)
    near.once('data', async request => {
      near.pause()
      far.write(request)
      await released
      near.pipe(far)
    })
  })
  t.after(() => way.close())
  way.listen(0, '127.0.0.1')
  await once(way, 'listening')
  return { url: `ws://127.0.0.1:${way.address().port}/`, release }
}

for (const format of formats) {
  const named = name => `the test client in ${format.name}: ${name}`

  test(named('it answers the server\'s pings'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format, { sockets: { pingInterval: 30, pingTimeout: 5000 } })
    const { log } = await ready(t, server, format)
    for (let n = 0; n < 5; n++) {
      await log.next({ name: 'ping' })
      await log.next({ name: 'pong' })
    }
    assert.deepEqual(log.rest({ name: 'close' }), [])
  })

  test(named('the server answers its pings'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format)
    const { guest, client } = await ready(t, server, format, '--ws-ping-interval', '30ms')
    const { ping } = client.handlers
    await new Promise(resolve => {
      let count = 0
      client.handlers.ping = (...args) => {
        assert.deepEqual(args, [])
        if (++count === 5) { resolve() }
        return ping(...args)
      }
    })
    assert.deepEqual(await guest.do({ do: 'status' }), { ok: 'READY' })
  })

  test(named('it closes with 4008 when the server does not answer its ping, and comes back'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format)
    const pings = ['--ws-ping-interval', '50ms', '--ws-ping-timeout', '150ms']
    const { guest, client, log } = await ready(t, server, format, ...pings, ...SOON)
    client.handlers.ping = () => new Promise(() => {})
    // Nothing else that the server says stands for the answer.
    const chatter = setInterval(() => client.send('e', 1).catch(() => {}), 20)
    t.after(() => clearInterval(chatter))
    await log.next({ name: 'close', args: [4008, 'Ping timeout'] })
    await guest.next({ event: 'closed', code: 4008, reason: 'Ping timeout' })
    await guest.next({ event: 'status', status: 'RE_CONNECTING' })
    await guest.next({ event: 'ready' })
  })

  test(named('the server closes with 4008 when it does not answer, and it comes back'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format, { sockets: { pingInterval: 50, pingTimeout: 150 } })
    const { guest, client } = await ready(t, server, format, ...SOON)
    const closing = new Promise(resolve => {
      const { close } = client
      client.close = (...args) => { resolve(args); return close.apply(client, args) }
    })
    guest.process.kill('SIGSTOP')
    assert.deepEqual((await closing).slice(0, 2), [4008, 'Ping timeout'])
    guest.process.kill('SIGCONT')
    await guest.next({ event: 'closed', code: 4008, reason: 'Ping timeout' })
    await guest.next({ event: 'ready' })
  })

  test(named('it is refused when its auth data comes too late, and stays away'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format, { authTimeout: 50 })
    const { url, release } = await slow(t, server.port)
    // In front of the server's own listener, which takes hold of the function.
    server.server.wss.prependOnceListener('connection', socket => {
      const { close } = socket
      socket.close = (...args) => { close.apply(socket, args); release() }
    })
    const guest = testclient(t, url, ...format.flags, ...SOON)
    const { err } = await guest.do({ do: 'connect' })
    assert.equal(err.code, 'wse.not-authorized')
    await guest.next({ event: 'closed', code: 4003, reason: '' })
    await guest.next({ event: 'status', status: 'OFFLINE' })
    assert.deepEqual(guest.log.rest({ event: 'status', status: 'RE_CONNECTING' }), [])
  })

  test(named('a frame that is none is answered and the connection kept'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format)
    const { guest, client, log } = await ready(t, server, format)
    for (const text of invalid) {
      client.socket.send(frame(format, text))
      answers((await log.next({ name: 'preprocessingError' })).args, format, text)
    }
    for (const text of ignored) { client.socket.send(frame(format, text)) }
    assert.deepEqual(await client.invoke('whoami'), { name: 'testclient' })
    await client.send('e', 'last')
    await guest.next({ event: 'message', type: 'e', payload: 'last' })
    assert.deepEqual(log.rest(), [])
    assert.deepEqual(guest.log.rest({ event: 'message' }), [])
    assert.deepEqual(guest.log.rest({ event: 'error' }), [])
    assert.deepEqual(await guest.do({ do: 'status' }), { ok: 'READY' })
  })

  test(named('what the server says it could not read is a message like others'), LIMIT, async t => {
    const receiveHook = () => { throw new Error('not now') }
    const server = await wsMessagingServer(t, format, { sockets: { receiveHook } })
    const { guest } = await ready(t, server, format)
    await guest.do({ do: 'send', type: 'e', payload: 1 })
    await guest.next({ event: 'message', type: 'preprocessingError', payload: 'Error: not now' })
  })

  for (const [how, end, code] of [
    ['closes with 1000', client => client.close(1000), 1000],
    ['closes with 1011', client => client.close(1011, 'sorry'), 1011],
    ['cuts the connection', client => client.socket.terminate(), 1006]
  ]) {
    test(named(`it comes back when the server ${how}`), LIMIT, async t => {
      const server = await wsMessagingServer(t, format)
      const { guest, client } = await ready(t, server, format, ...SOON)
      end(client)
      await guest.next({ event: 'closed', code })
      await guest.next({ event: 'status', status: 'RE_CONNECTING' })
      const again = await server.next('connection')
      assert.deepEqual(again.auth, { token: 't1' })
      await guest.next({ event: 'ready' })
      await guest.do({ do: 'send', type: 'e', payload: 'again' })
      await again.log.next({ name: 'e', args: ['again'] })
    })
  }

  test(named('it comes back when the server went away and was started again'), LIMIT, async t => {
    const first = await wsMessagingServer(t, format)
    const { guest } = await ready(t, first, format, ...SOON)
    first.server.wss.clients.forEach(socket => socket.terminate())
    await first.server.close()
    await guest.next({ event: 'status', status: 'RE_CONNECTING' })
    const second = await wsMessagingServer(t, format, {}, { port: first.port })
    await second.next('connection')
    await guest.next({ event: 'ready' })
  })

  test(named('it never comes back after 4003'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format)
    const { guest, client } = await ready(t, server, format, ...SOON)
    client.close(4003, 'Error: out')
    await guest.next({ event: 'closed', code: 4003, reason: 'Error: out' })
    await guest.next({ event: 'status', status: 'OFFLINE' })
    assert.deepEqual(guest.log.rest({ event: 'status', status: 'RE_CONNECTING' }), [])
    assert.deepEqual(server.log.rest(), [])
    // It does when it is told to.
    assert.deepEqual(await guest.do({ do: 'connect' }), { ok: null })
    await server.next('connection')
  })

  test(named('a refusal while it comes back is final'), LIMIT, async t => {
    const connectionHook = (() => {
      let count = 0
      return () => { if (++count > 1) { throw new Error('not any more') } return null }
    })()
    const server = await wsMessagingServer(t, format, { connectionHook })
    const guest = testclient(t, server.url, ...format.flags, ...SOON)
    assert.deepEqual(await guest.do({ do: 'connect' }), { ok: null })
    server.server.wss.clients.forEach(socket => socket.terminate())
    await guest.next({ event: 'closed', code: 1006 })
    await guest.next({ event: 'status', status: 'RE_CONNECTING' })
    await guest.next({ event: 'closed', code: 4003, reason: 'Error: not any more' })
    await guest.next({ event: 'error', code: 'wse.not-authorized' })
    await guest.next({ event: 'status', status: 'OFFLINE' })
  })
}
