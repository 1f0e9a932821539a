// npm's client against our testbed: pings, timeouts, frames that are none, coming back, two tabs.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { LIMIT, WebSocket, answers, formats, frame, ignored, invalid, testbed, wsMessaging } from './peers.mjs'

/** A socket that speaks the subprotocol by hand; the code and reason it ends with. */
function raw (t, url) {
  const socket = new WebSocket(url, 'ws-messaging')
  t.after(() => socket.terminate())
  const closed = once(socket, 'close').then(([code, reason]) => [code, reason.toString()])
  return { socket, opened: once(socket, 'open'), closed }
}

for (const format of formats) {
  const named = name => `npm's client in ${format.name}: ${name}`

  test(named('it answers our pings'), LIMIT, async t => {
    const bed = await testbed(t, ['--ws-ping-interval', '50ms', '--ws-ping-timeout', '5s'])
    const { client, next } = wsMessaging(t, bed.url, format)
    const { ping } = client.handlers
    const pinged = new Promise(resolve => {
      let count = 0
      client.handlers.ping = (...args) => {
        assert.deepEqual(args, [])
        if (++count === 5) { resolve() }
        return ping(...args)
      }
    })
    await next('connect')
    await pinged
    assert.equal(await client.invoke('add', 1, 2), 3)
  })

  test(named('we answer its pings'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next, log } = wsMessaging(t, bed.url, format, { pingInterval: 30, pingTimeout: 5000 })
    await next('connect')
    for (let n = 0; n < 5; n++) {
      await next('ping')
      await next('pong')
    }
    assert.deepEqual(log.rest({ name: 'close' }), [])
    assert.equal(await client.invoke('ping'), null)
  })

  test(named('it is closed with 4008 when it does not answer our ping'), LIMIT, async t => {
    const bed = await testbed(t, ['--ws-ping-interval', '50ms', '--ws-ping-timeout', '150ms'])
    const { client, next } = wsMessaging(t, bed.url, format, { autoReconnect: false })
    client.handlers.ping = () => new Promise(() => {})
    await next('connect')
    // Nothing else that it says stands for the answer.
    const chatter = setInterval(() => client.send('echo', 1).catch(() => {}), 20)
    t.after(() => clearInterval(chatter))
    await next('close', 4008, 'Ping timeout')
    await bed.next({ event: 'disconnected', cid: 'u1', code: 4008, reason: 'Ping timeout' })
  })

  test(named('it closes with 4008 when we do not answer its ping, and comes back'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format, { pingInterval: 50, pingTimeout: 150 })
    await next('connect')
    const closing = new Promise(resolve => {
      const { close } = client
      client.close = (...args) => { resolve(args); return close.apply(client, args) }
    })
    bed.process.kill('SIGSTOP')
    assert.deepEqual((await closing).slice(0, 2), [4008, 'Ping timeout'])
    bed.process.kill('SIGCONT')
    await bed.next({ event: 'disconnected', cid: 'u1', code: 4008, reason: 'Ping timeout' })
    await next('connect')
  })

  test(named('a frame that is none is answered and the connection kept'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next, log } = wsMessaging(t, bed.url, format)
    await next('connect')
    for (const text of invalid) {
      client.socket.send(frame(format, text))
      answers((await next('preprocessingError')).args, format, text)
    }
    for (const text of ignored) { client.socket.send(frame(format, text)) }
    await client.send('echo', 'still here')
    await next('echo', 'still here')
    await client.send('last')
    await bed.next({ event: 'ignored', type: 'last' })
    assert.deepEqual(log.rest().filter(({ name }) => name !== 'open'), [])
    assert.deepEqual(bed.log.rest({ event: 'ignored' }), [])
    assert.deepEqual(bed.log.rest({ event: 'error' }), [])
  })

  test(named('a frame of the other format is answered and the connection kept'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    const other = formats.find(({ name }) => name !== format.name)
    client.socket.send(other.encode({ name: 'echo', args: [1] }))
    assert.match((await next('preprocessingError')).args[0], /^Error: /)
    await client.send('echo', 2)
    await next('echo', 2)
  })

  test(named('a first frame that does not decode is refused with 4003'), LIMIT, async t => {
    const bed = await testbed(t)
    const { socket, opened, closed } = raw(t, bed.url)
    await opened
    socket.send(frame(format, 'arbitrary'))
    const [code, reason] = await closed
    assert.equal(code, 4003)
    assert.match(reason, format.undecodable)
  })

  test(named('it gives up with 4008 when no verdict comes'), LIMIT, async t => {
    const bed = await testbed(t)
    const options = { auth: { identity: 'never' }, ackTimeout: 100, autoReconnect: false }
    const { next } = wsMessaging(t, bed.url, format, options)
    await next('close', 4008, 'Auth timeout')
  })

  test(named('it comes back when the verdict takes too long, which is not its fault'), LIMIT, async t => {
    const bed = await testbed(t, ['--auth-timeout', '100ms'])
    const { next } = wsMessaging(t, bed.url, format, { auth: { identity: 'never' } })
    for (let times = 0; times < 2; times++) {
      const [code, reason] = (await next('close')).args
      assert.equal(code, 1013)
      assert.match(reason, /^wse\.later after=\d+$/)
    }
  })

  for (const identity of ['error', 'panic', 'later:100']) {
    test(named(`it comes back after ${identity}, which is no refusal`), LIMIT, async t => {
      const bed = await testbed(t)
      const { next } = wsMessaging(t, bed.url, format, { auth: { identity } })
      for (let times = 0; times < 2; times++) {
        const [code, reason] = (await next('close')).args
        assert.equal(code, 1013)
        assert.match(reason, /^wse\.later after=\d+$/)
      }
    })
  }

  test(named('it comes back when the testbed was killed and started again'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format, { auth: { identity: 'user-same' } })
    await next('connect')
    await bed.kill('SIGKILL')
    await next('close', 1006, '')
    await next('retry', 1)
    const again = await testbed(t, [], bed.port)
    await again.next({ event: 'joined', cid: 'user-same' })
    await next('connect')
    await client.send('echo', 'again')
    await next('echo', 'again')
    assert.equal(await client.invoke('add', 1, 2), 3)
  })

  test(named('it comes back when the testbed was shut down and started again'), LIMIT, async t => {
    const bed = await testbed(t)
    const { next } = wsMessaging(t, bed.url, format)
    await next('connect')
    assert.equal(await bed.kill('SIGTERM'), 0)
    assert.equal((await next('close')).args[0], 1012)
    await next('retry', 1)
    await testbed(t, [], bed.port)
    await next('connect')
  })

  test(named('it stays away once it was dropped'), LIMIT, async t => {
    const bed = await testbed(t)
    for (const [drop, reason] of [
      [{ what: 'conn', reason: 'bye' }, 'bye'],
      [{ what: 'user' }, 'wse.by-server'],
      [{ what: 'cid', cid: 'user-gone', reason: 'gone' }, 'gone']
    ]) {
      const { client, next, log } = wsMessaging(t, bed.url, format, { auth: 'user-gone' })
      await next('connect')
      await client.send('drop', drop)
      const { args } = await next('close')
      assert.deepEqual(args, [4003, reason], JSON.stringify(drop))
      assert.ok(client.terminated)
      assert.equal(client.reconnectTimeoutId, undefined)
      assert.deepEqual(log.rest({ name: 'retry' }), [])
      await bed.next({ event: 'left', cid: 'user-gone', code: 4003, reason })
    }
  })

  test(named('two tabs of one user are two devices'), LIMIT, async t => {
    const bed = await testbed(t, ['--conns-per-user', '2'])
    const tab = () => wsMessaging(t, bed.url, format, { auth: { identity: 'user-tabs' } })
    const [one, two] = [tab(), tab()]
    await one.next('connect')
    await two.next('connect')
    assert.equal(await one.client.invoke('devices'), 2)
    await one.client.send('hey')
    await one.next('both', null)
    await one.next('only', null)
    await two.next('both', null)
    await two.client.send('echo')
    await two.next('echo')
    assert.deepEqual(two.log.rest({ name: 'only' }), [])
    one.client.close()
    await bed.next({ event: 'disconnected', cid: 'user-tabs' })
    await two.client.send('last')
    await bed.next({ event: 'ignored', type: 'last' })
    assert.deepEqual(bed.log.rest({ event: 'left' }), [])
    two.client.close()
    await bed.next({ event: 'left', cid: 'user-tabs' })
  })

  test(named('a tab too many pushes the oldest out for good'), LIMIT, async t => {
    const bed = await testbed(t)
    const tab = () => wsMessaging(t, bed.url, format, { auth: { identity: 'user-tabs' } })
    const one = tab()
    await one.next('connect')
    const two = tab()
    await two.next('connect')
    await one.next('close', 4003, 'wse.clients-concurrency')
    assert.ok(one.client.terminated)
    await bed.next({ event: 'disconnected', cid: 'user-tabs', code: 4003, reason: 'wse.clients-concurrency' })
    assert.equal(await two.client.invoke('devices'), 1)
    await two.client.send('last')
    await bed.next({ event: 'ignored', type: 'last' })
    assert.deepEqual(bed.log.rest({ event: 'left' }), [])
  })
}

test('a client that says nothing is refused with 4003 and no reason', LIMIT, async t => {
  const bed = await testbed(t, ['--auth-timeout', '100ms'])
  const { opened, closed } = raw(t, bed.url)
  await opened
  assert.deepEqual(await closed, [4003, ''])
})
