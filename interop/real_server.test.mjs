// Our test client against npm's server: getting in, events, calls both ways. In JSON and in MessagePack.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT, formats, testclient, wsMessagingServer } from './peers.mjs'

const IDENTITY = { token: 't1', welcome: { hey: 'some data' } }

/** npm's server and a test client that is ready there, with the server's end of it. */
async function ready (t, format, { identity = IDENTITY, args = [], ...options } = {}) {
  const server = await wsMessagingServer(t, format, options)
  const guest = testclient(t, server.url, ...format.flags, '--identity', JSON.stringify(identity), ...args)
  const answer = await guest.do({ do: 'connect' })
  assert.ok('ok' in answer, JSON.stringify(answer))
  const { client, auth, log } = await server.next('connection')
  return { server, guest, client, auth, log, welcome: answer.ok }
}

for (const format of formats) {
  const named = name => `the test client in ${format.name}: ${name}`

  test(named('it connects with its identity and gets the reply as its welcome'), LIMIT, async t => {
    const { guest, auth, welcome } = await ready(t, format)
    assert.deepEqual(auth, IDENTITY)
    assert.deepEqual(welcome, { hey: 'some data' })
    await guest.next({ event: 'status', status: 'READY' })
    await guest.next({ event: 'ready', welcome: { hey: 'some data' } })
    assert.deepEqual(await guest.do({ do: 'status' }), { ok: 'READY' })
  })

  test(named('the reply may be any value and the identity too'), LIMIT, async t => {
    for (const reply of [null, 5, 'text', [], [1], [[1, 2]], {}]) {
      const { welcome } = await ready(t, format, { identity: { welcome: reply } })
      assert.deepEqual(welcome, reply)
    }
    assert.equal((await ready(t, format, { identity: 'just text' })).auth, 'just text')
    assert.deepEqual((await ready(t, format, { identity: [1, [2]] })).auth, [1, [2]])
  })

  test(named('a server without a hook lets it in with null'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format, { connectionHook: null })
    const guest = testclient(t, server.url, ...format.flags)
    assert.deepEqual(await guest.do({ do: 'connect' }), { ok: null })
  })

  test(named('it is refused with the error\'s text and stays away'), LIMIT, async t => {
    const server = await wsMessagingServer(t, format)
    const guest = testclient(t, server.url, ...format.flags, '--identity', '"wrong"', '--reconnect')
    const { err } = await guest.do({ do: 'connect' })
    assert.equal(err.code, 'wse.not-authorized')
    assert.match(err.message, /Auth error/)
    await guest.next({ event: 'closed', code: 4003, reason: 'Error: Auth error' })
    await guest.next({ event: 'status', status: 'OFFLINE' })
    assert.deepEqual(guest.log.rest({ event: 'status', status: 'RE_CONNECTING' }), [])
  })

  test(named('its events arrive with the arguments that its payload means'), LIMIT, async t => {
    const { guest, log } = await ready(t, format)
    for (const [payload, args] of [
      [[], []],
      [{ x: 1 }, [{ x: 1 }]],
      [[1, 'two', null], [1, 'two', null]],
      [[[1, 2]], [[1, 2]]],
      [null, [null]],
      ['', ['']],
      [[[]], [[]]],
      ['ä€😀', ['ä€😀']],
      [9007199254740991, [9007199254740991]]
    ]) {
      assert.deepEqual(await guest.do({ do: 'send', type: 'e', payload }), { ok: null })
      assert.deepEqual((await log.next({ name: 'e' })).args, args)
    }
  })

  test(named('the server\'s events arrive as the payload that their arguments mean'), LIMIT, async t => {
    const { guest, client } = await ready(t, format)
    for (const [args, payload] of [
      [[], []],
      [[{ x: 1 }], { x: 1 }],
      [[1, 'two', null], [1, 'two', null]],
      [[[1, 2]], [[1, 2]]],
      [[null], null],
      [[undefined], null],
      [[[]], [[]]],
      [['ä€😀'], 'ä€😀']
    ]) {
      await client.send('e', ...args)
      assert.deepEqual((await guest.next({ event: 'message', type: 'e' })).payload, payload)
    }
    for (let n = 0; n < 200; n++) { client.send('e', n) }
    for (let n = 0; n < 200; n++) {
      assert.equal((await guest.next({ event: 'message', type: 'e' })).payload, n)
    }
  })

  test(named('what the server says in its hook, before the welcome, is not lost'), LIMIT, async t => {
    const connectionHook = client => {
      client.connected = true
      return client.send('greeting', 'early')
    }
    const server = await wsMessagingServer(t, format, { connectionHook })
    const guest = testclient(t, server.url, ...format.flags)
    assert.deepEqual(await guest.do({ do: 'connect' }), { ok: null })
    await guest.next({ event: 'message', type: 'greeting', payload: 'early' })
  })

  test(named('names that its peer would ignore cannot be sent'), LIMIT, async t => {
    const { guest, log } = await ready(t, format)
    for (const type of ['close', 'open', 'error', 'pong', 'retry', 'connect']) {
      const { err } = await guest.do({ do: 'send', type, payload: 1 })
      assert.ok(err?.code, type)
    }
    await guest.do({ do: 'send', type: 'e', payload: 1 })
    await log.next({ name: 'e', args: [1] })
    assert.deepEqual(log.rest(), [])
  })

  test(named('its calls have results and every kind of error'), LIMIT, async t => {
    const { guest, client } = await ready(t, format)
    client.register('sum', async (a, b) => a + b)
    client.register('count', (...args) => args.length)
    client.register('nothing', () => {})
    client.register('same', async value => value)
    client.register('boom', async () => { throw new Error('Some error') })
    client.register('odd', async () => { throw 'just text' }) // eslint-disable-line no-throw-literal
    client.register('never', () => new Promise(() => {}))
    const failed = details => ({ err: { code: 'wse.server.rp.failed', details } })
    for (const [rp, payload, answer] of [
      ['sum', [2, 3], { ok: 5 }],
      ['count', [], { ok: 0 }],
      ['count', null, { ok: 1 }],
      ['count', [[1, 2]], { ok: 1 }],
      ['nothing', 1, { ok: null }],
      ['same', { deep: [1, null] }, { ok: { deep: [1, null] } }],
      ['same', [[1, 2]], { ok: [1, 2] }],
      ['boom', 1, failed('Error: Some error')],
      ['odd', 1, failed('just text')],
      ['missing', 1, { err: { code: 'wse.server.rp.not-registered' } }]
    ]) {
      assert.deepEqual(await guest.do({ do: 'call', rp, payload }), answer, rp)
    }
    const late = await guest.do({ do: 'call', rp: 'never', payload: 1, timeout_ms: 50 })
    assert.deepEqual(late, { err: { code: 'wse.client.rp.timeout' } })
    client.errorFormatter = error => ({ text: error.message })
    assert.deepEqual(await guest.do({ do: 'call', rp: 'boom', payload: 1 }), failed({ text: 'Some error' }))
  })

  test(named('its call fails when the connection is lost'), LIMIT, async t => {
    const { guest, client } = await ready(t, format)
    const called = new Promise(resolve => client.register('never', () => { resolve(); return new Promise(() => {}) }))
    const call = guest.do({ do: 'call', rp: 'never', payload: 1 })
    await called
    client.socket.terminate()
    const details = { code: 1006, reason: '', disconnected: [1006, ''] }
    assert.deepEqual(await call, { err: { code: 'wse.client.rp.disconnect', details } })
  })

  test(named('the server\'s calls have its results'), LIMIT, async t => {
    const { client } = await ready(t, format)
    assert.equal(await client.invoke('double', { value: 21 }), 42)
    assert.equal(await client.invoke('sleep', 5), 5)
    assert.deepEqual(await client.invoke('whoami'), { name: 'testclient' })
    assert.deepEqual(await client.invoke('whoami', 1, 2), { name: 'testclient' })
    assert.equal(await client.invoke('ping'), null)
    const order = []
    await Promise.all([60, 5].map(ms => client.invoke('sleep', ms).then(() => order.push(ms))))
    assert.deepEqual(order, [5, 60])
  })

  for (const [name, args, error] of [
    ['fail', ['plain'], 'Error: RPC execution failed'],
    ['fail', ['coded'], 'Error: test-err-code'],
    ['fail', ['bare'], 'Error: RPC execution failed'],
    ['fail', ['panic'], 'Error: RPC execution failed'],
    ['missing', [1], 'NoProcedureError']
  ]) {
    test(named(`the server's call of ${name} with ${JSON.stringify(args)} fails with ${error}`), LIMIT, async t => {
      const { client } = await ready(t, format)
      await assert.rejects(client.invoke(name, ...args), thrown => {
        assert.equal(thrown, error)
        return true
      })
      assert.equal(await client.invoke('double', { value: 1 }), 2)
    })
  }

  test(named('it leaves with 1000 and no reason'), LIMIT, async t => {
    const { guest, log } = await ready(t, format)
    assert.deepEqual(await guest.do({ do: 'close' }), { ok: null })
    await log.next({ name: 'close', args: [1000, ''] })
    await guest.next({ event: 'closed', code: 1000, reason: '' })
    await guest.next({ event: 'status', status: 'OFFLINE' })
  })

  test(named('it says its own reason when it leaves with one'), LIMIT, async t => {
    const { guest, log } = await ready(t, format)
    await guest.do({ do: 'close', reason: 'enough' })
    await log.next({ name: 'close', args: [1000, 'enough'] })
  })
}
