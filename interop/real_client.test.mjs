// npm's client against our testbed: getting in, events, calls both ways. In JSON and in MessagePack.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, LIMIT, WebSocket, formats, testbed, wsMessaging } from './peers.mjs'

for (const format of formats) {
  const named = name => `npm's client in ${format.name}: ${name}`

  test(named('whoever is accepted gets the welcome as the argument of connect'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    assert.deepEqual((await next('connect')).args, [{ hey: 'some data' }])
    assert.ok(client.connected)
    await bed.next({ event: 'joined', cid: 'u1', meta: {} })
    await client.send('who')
    const [{ cid, devices, identity, meta }] = (await next('who')).args
    assert.deepEqual({ cid, devices, identity, meta }, {
      cid: 'u1', devices: 1, identity: { identity: 'valid-secret' }, meta: {}
    })
    client.close()
    await next('close', 1000, '')
    await bed.next({ event: 'left', cid: 'u1', code: 1000, reason: '' })
  })

  test(named('auth data may be any value, and is an empty object by default'), LIMIT, async t => {
    const bed = await testbed(t, ['--anonymous'])
    for (const auth of ['user-text', 5, null, [1, [2]], { deep: { er: true } }]) {
      const { client, next } = wsMessaging(t, bed.url, format, { auth })
      await next('connect')
      await client.send('who')
      assert.deepEqual((await next('who')).args[0].identity, auth)
    }
    const { client, next } = wsMessaging(t, bed.url, format, { auth: undefined })
    await next('connect')
    await client.send('who')
    assert.deepEqual((await next('who')).args[0].identity, {})
  })

  for (const [auth, options] of [
    [{ identity: 'wrong' }, []],
    [{}, []],
    [{ identity: 'refuse:wse.not-authorized' }, []],
    [{ identity: 'valid-secret' }, ['--challenge']]
  ]) {
    const who = `${JSON.stringify(auth)} ${options.join(' ')}`.trim()
    test(named(`${who} is refused with 4003 and stays away`), LIMIT, async t => {
      const bed = await testbed(t, options)
      const { client, next, log } = wsMessaging(t, bed.url, format, { auth })
      await next('close', 4003, 'wse.not-authorized')
      assert.ok(client.terminated)
      assert.equal(client.reconnectTimeoutId, undefined)
      assert.deepEqual(log.rest({ name: 'connect' }), [])
    })
  }

  test(named('an event comes back with none, one, several and array arguments'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    const shapes = [
      [], [{ x: 1 }], [1, 'two', null], [[1, 2]], [null], [''], [[]], [[[]]], [[1], [2]], [{}], [true, [false]],
      ['ä€😀'], [1.5, -7, 9007199254740991]
    ]
    for (const args of shapes) {
      await client.send('echo', ...args)
      assert.deepEqual((await next('echo')).args, args)
    }
    await client.send('nobody', 1, 2)
    await bed.next({ event: 'ignored', type: 'nobody', payload: [1, 2] })
  })

  test(named('events keep their order'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    for (let n = 0; n < 200; n++) { client.send('echo', n) }
    for (let n = 0; n < 200; n++) { assert.deepEqual((await next('echo')).args, [n]) }
  })

  test(named('what its user\'s handlers send reaches it'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    await client.send('hey')
    await next('both', null)
    await next('only', null)
    await client.send('hold', 10)
    await next('held', null)
  })

  test(named('its calls have results, null among them'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    assert.equal(await client.invoke('add', 2, 3), 5)
    assert.equal(await client.invoke('add', { a: 1.5, b: 2 }), 3.5)
    assert.equal(await client.invoke('nil'), null)
    assert.deepEqual(await client.invoke('obj'), { ok: true })
    assert.equal(await client.invoke('sleep', 5), 5)
    assert.equal(await client.invoke('devices'), 1)
    assert.equal((await client.invoke('big', 70_000)).length, 70_000)
    const order = []
    await Promise.all([60, 5].map(ms => client.invoke('sleep', ms).then(() => order.push(ms))))
    assert.deepEqual(order, [5, 60])
  })

  for (const [name, args, error] of [
    ['fail', ['plain'], 'Error: RPC execution failed'],
    ['fail', ['coded'], 'Error: test-err-code'],
    ['fail', ['bare'], 'Error: RPC execution failed'],
    ['fail', ['panic'], 'Error: RPC execution failed'],
    ['fail', ['otherwise'], 'Error: unknown-way-to-fail'],
    ['missing', [1], 'NoProcedureError']
  ]) {
    test(named(`its call of ${name} with ${JSON.stringify(args)} fails with ${error}`), LIMIT, async t => {
      const bed = await testbed(t)
      const { client, next } = wsMessaging(t, bed.url, format)
      await next('connect')
      await assert.rejects(client.invoke(name, ...args), thrown => {
        assert.equal(thrown, error)
        return true
      })
      assert.equal(await client.invoke('add', 1, 1), 2)
    })
  }

  test(named('a call with arguments of a wrong type fails and the next one does not'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    for (const args of [[], ['x', 'y'], [1], [1, 2, 3], [null]]) {
      await assert.rejects(client.invoke('add', ...args), thrown => /^Error: /.test(thrown), JSON.stringify(args))
    }
    assert.equal(await client.invoke('add', 1, 1), 2)
  })

  test(named('a call that takes too long or loses its connection fails by itself'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format, { ackTimeout: 2000 })
    await next('connect')
    const lost = client.invoke('sleep', 30_000)
    client.ackTimeout = 50
    await assert.rejects(client.invoke('sleep', 30_000), Client.TimeoutError)
    client.send('drop', { what: 'conn', reason: 'bye' })
    await assert.rejects(lost, Client.ConnectionError)
    await next('close', 4003, 'bye')
  })

  test(named('our calls have its results and its errors'), LIMIT, async t => {
    const bed = await testbed(t, ['--rpc-timeout', '200ms'])
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    client.register('double', async ({ value }) => value * 2)
    client.register('sum', async (...args) => args.reduce((a, b) => a + b, 0))
    client.register('count', (...args) => args.length)
    client.register('nothing', () => {})
    client.register('boom', async () => { throw new Error('Some error') })
    client.register('odd', async () => { throw 'just text' }) // eslint-disable-line no-throw-literal
    client.register('never', () => new Promise(() => {}))
    const failed = details => ({ err: { code: 'wse.server.rp.failed', details } })
    for (const [rp, payload, called] of [
      ['double', { value: 21 }, { ok: 42 }],
      ['sum', [1, 2, 3], { ok: 6 }],
      ['sum', [], { ok: 0 }],
      ['count', [[1, 2]], { ok: 1 }],
      ['count', null, { ok: 1 }],
      ['nothing', 1, { ok: null }],
      ['boom', 1, failed('Error: Some error')],
      ['odd', 1, failed('just text')],
      ['missing', 1, { err: { code: 'wse.server.rp.not-registered' } }],
      ['never', 1, { err: { code: 'wse.client.rp.timeout' } }]
    ]) {
      await client.send('call-me', { rp, payload })
      assert.deepEqual((await next('called')).args, [called], rp)
    }
    client.errorFormatter = error => ({ text: error.message })
    await client.send('call-me', { rp: 'boom', payload: 1 })
    await next('called', failed({ text: 'Some error' }))
  })

  test(named('a call of ours ends when it leaves'), LIMIT, async t => {
    const bed = await testbed(t)
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    const called = new Promise(resolve => client.register('never', () => { resolve(); return new Promise(() => {}) }))
    await client.send('call-me', { rp: 'never', payload: 1 })
    await called
    client.close()
    await bed.next({ event: 'disconnected', cid: 'u1' })
    // The handler could not tell what came of the call: its device is gone.
    await bed.next({ event: 'error', cid: 'u1' })
  })
}

test('npm\'s client in MessagePack: binary data and extensions cross as they are', LIMIT, async t => {
  const bed = await testbed(t)
  const { client, next } = wsMessaging(t, bed.url, formats[1])
  await next('connect')
  const bytes = Buffer.from([1, 2, 255])
  for (const args of [[bytes], [Buffer.alloc(70_000, 7), 'and'], [{ deep: Buffer.alloc(0) }], [new Date(0)]]) {
    await client.send('echo', ...args)
    assert.deepEqual((await next('echo')).args, args)
  }
  const called = new Promise(resolve => client.register('take', resolve))
  await client.send('call-me', { rp: 'take', payload: Buffer.from([0, 1, 254]) })
  assert.deepEqual(await called, Buffer.from([0, 1, 254]))
  await next('called', { ok: null })
})

test('a connection speaks the format of its first frame', LIMIT, async t => {
  const bed = await testbed(t)
  for (const { name, encode, decode } of formats) {
    const socket = new WebSocket(bed.url, 'ws-messaging')
    t.after(() => socket.terminate())
    const seen = new Promise(resolve => socket.once('message', resolve))
    await new Promise(resolve => socket.once('open', resolve))
    assert.equal(socket.protocol, 'ws-messaging')
    socket.send(encode('user-first'))
    const data = await seen
    assert.equal(Buffer.isBuffer(data), name === 'MessagePack')
    assert.deepEqual(decode(data), { name: 'connect', args: [{ hey: 'some data' }] })
  }
})
