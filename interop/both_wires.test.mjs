// One testbed, clients of both wires at once, in JSON and in MessagePack: they reach each other.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { LIMIT, Log, WebSocket, formats, testbed, wsMessaging } from './peers.mjs'

const [json, messagePack] = formats
/** The device of each wire, in the order in which they come. */
const KINDS = {
  'wse in JSON': (t, url, identity) => wse(t, url, identity, 'wse-default-json', json),
  'wse in MessagePack': (t, url, identity) => wse(t, url, identity, 'wse-msgpack', messagePack),
  'ws-messaging in JSON': (t, url, identity) => messaging(t, url, identity, json),
  'ws-messaging in MessagePack': (t, url, identity) => messaging(t, url, identity, messagePack)
}

/** A client of the other system, by hand: arrays of type, payload and stamp. */
async function wse (t, url, identity, protocol, format) {
  const socket = new WebSocket(url, protocol)
  t.after(() => socket.terminate())
  const log = new Log(protocol)
  socket.on('message', data => {
    assert.equal(typeof data !== 'string', format === messagePack)
    const [type, payload = null, stamp = null] = format.decode(data)
    log.add({ type, payload, stamp })
  })
  await once(socket, 'open')
  assert.equal(socket.protocol, protocol)
  const say = (...envelope) => socket.send(format.encode(envelope))
  say('~wse:hi', { identity, meta: { tab: 1 } }, null)
  await log.next({ type: '~wse:welcome', payload: { hey: 'some data' }, stamp: null })
  let calls = 0
  return {
    meta: { tab: 1 },
    send: (type, payload) => say(type, payload, null),
    next: async type => (await log.next({ type, stamp: null })).payload,
    missed: type => log.rest({ type }),
    call: async (rp, payload) => {
      const stamp = `S${++calls}`
      say(rp, payload, stamp)
      return (await log.next({ type: '~wse:response', stamp })).payload
    },
    handle: async (rp, answer) => {
      const { payload, stamp } = await log.next({ type: rp })
      say('~wse:response', answer(payload), stamp)
    },
    close: () => socket.close(1000)
  }
}

/** npm's client, told and asked in the same way. */
async function messaging (t, url, identity, format) {
  const { client, next, log } = wsMessaging(t, url, format, { auth: { identity } })
  await next('connect', { hey: 'some data' })
  return {
    meta: {},
    send: (type, payload) => client.send(type, ...(Array.isArray(payload) ? payload : [payload])),
    next: async type => {
      const { args } = await next(type)
      return args.length === 1 && !Array.isArray(args[0]) ? args[0] : args
    },
    missed: name => log.rest({ name }),
    call: (rp, payload) => client.invoke(rp, ...(Array.isArray(payload) ? payload : [payload])),
    handle: (rp, answer) => client.register(rp, async payload => answer(payload)),
    close: () => client.close()
  }
}

/** A device of every kind; each a user of its own, or all of one. */
async function everybody (t, url, cid = kind => `user-${kind.replaceAll(' ', '-')}`) {
  const all = []
  for (const [kind, come] of Object.entries(KINDS)) {
    const identity = cid(kind)
    all.push({ kind, cid: identity, ...await come(t, url, identity) })
  }
  return all
}

const PAYLOADS = [{ x: [1, 'two', null] }, 'text', null, [], [1, 2], [[1, 2]], [[]], 1.5, true, 'ä€😀']

test('each is told who it is, whatever it speaks', LIMIT, async t => {
  const bed = await testbed(t)
  for (const { kind, cid, meta, send, next } of await everybody(t, bed.url)) {
    await bed.next({ event: 'joined', cid, meta })
    await send('who', null)
    const who = await next('who')
    assert.deepEqual([who.cid, who.devices, who.meta], [cid, 1, meta], kind)
    assert.deepEqual(who.identity, kind.startsWith('wse') ? cid : { identity: cid }, kind)
  }
})

test('everybody reaches everybody else by to-user, and nobody but them', LIMIT, async t => {
  const bed = await testbed(t)
  const all = await everybody(t, bed.url)
  for (const from of all) {
    for (const to of all) {
      for (const payload of PAYLOADS) {
        await from.send('to-user', { cid: to.cid, type: 'greeting', payload })
        assert.deepEqual(await to.next('greeting'), payload, `${from.kind} to ${to.kind}`)
      }
    }
  }
  for (const one of all) {
    await one.send('echo', 'last')
    assert.equal(await one.next('echo'), 'last')
    assert.deepEqual(one.missed('greeting'), [], one.kind)
  }
})

test('everybody reaches all by to-all', LIMIT, async t => {
  const bed = await testbed(t)
  const all = await everybody(t, bed.url)
  for (const from of all) {
    for (const payload of PAYLOADS) {
      await from.send('to-all', { type: 'news', payload })
      for (const to of all) { assert.deepEqual(await to.next('news'), payload, `${from.kind} to ${to.kind}`) }
    }
  }
})

test('one user may be there on every wire at once', LIMIT, async t => {
  const bed = await testbed(t, ['--conns-per-user', '4'])
  const all = await everybody(t, bed.url, () => 'user-one')
  await bed.next({ event: 'joined', cid: 'user-one' })
  for (const one of all) {
    assert.equal(await one.call('devices', null), 4)
    await one.send('hey', null)
    await one.next('only')
    for (const other of all) { assert.equal(await other.next('both'), null) }
  }
  for (const one of all) {
    await one.send('echo', 'last')
    await one.next('echo')
    assert.deepEqual(one.missed('only'), [], one.kind)
  }
  assert.deepEqual(bed.log.rest({ event: 'joined' }), [])
  for (const one of all.slice(1)) {
    one.close()
    await bed.next({ event: 'disconnected', cid: 'user-one' })
  }
  assert.equal(await all[0].call('devices', null), 1)
  await all[0].send('last', null)
  await bed.next({ event: 'ignored', type: 'last' })
  assert.deepEqual(bed.log.rest({ event: 'left' }), [])
  all[0].close()
  await bed.next({ event: 'left', cid: 'user-one' })
})

test('the same procedures serve all of them, and call them all', LIMIT, async t => {
  const bed = await testbed(t)
  for (const one of await everybody(t, bed.url)) {
    assert.equal(await one.call('add', [2, 3]), 5, one.kind)
    assert.equal(await one.call('add', { a: 2, b: 3 }), 5, one.kind)
    assert.equal(await one.call('nil', null), null, one.kind)
    const handled = one.handle('double', ({ value }) => value * 2)
    await one.send('call-me', { rp: 'double', payload: { value: 21 } })
    await handled
    assert.deepEqual(await one.next('called'), { ok: 42 }, one.kind)
  }
})

test('binary data reaches every MessagePack device as it is', LIMIT, async t => {
  const bed = await testbed(t)
  const all = (await everybody(t, bed.url)).filter(({ kind }) => kind.endsWith('MessagePack'))
  const payload = Buffer.from([0, 1, 254, 255])
  for (const from of all) {
    await from.send('to-all', { type: 'news', payload })
    for (const to of all) { assert.deepEqual(await to.next('news'), payload, `${from.kind} to ${to.kind}`) }
  }
})

test('a device that breaks its wire\'s rules is the only one to notice', LIMIT, async t => {
  const bed = await testbed(t)
  const [one, two] = await everybody(t, bed.url)
  const socket = new WebSocket(bed.url, 'wse-default-json')
  t.after(() => socket.terminate())
  const closed = once(socket, 'close')
  await once(socket, 'open')
  socket.send(messagePack.encode(['~wse:hi', { identity: 'user-odd' }]))
  const [code, reason] = await closed
  assert.equal(code, 1000)
  assert.match(reason.toString(), /^wse\.protocol-error: expected /)
  await one.send('to-user', { cid: two.cid, type: 'greeting', payload: 1 })
  assert.equal(await two.next('greeting'), 1)
})
