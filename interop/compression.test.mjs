// permessage-deflate between npm `ws`, which both of npm's peers are built on, and our two examples.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT, WebSocket, formats, testbed, testclient, wsMessaging, wsMessagingServer } from './peers.mjs'

/** 80 kB, of which some hundred bytes travel. */
const LONG = 'so much '.repeat(10_000)

for (const format of formats) {
  test(`npm's client in ${format.name} and the testbed compress what is long, both ways`, LIMIT, async t => {
    const bed = await testbed(t, ['--compress', '512'])
    const { client, next } = wsMessaging(t, bed.url, format)
    await next('connect')
    assert.match(client.socket.extensions, /permessage-deflate/)
    const { bytesRead, bytesWritten } = client.socket._socket
    for (const payload of [LONG, 'short', LONG]) {
      await client.send('echo', payload)
      assert.deepEqual((await next('echo')).args, [payload])
    }
    const there = client.socket._socket.bytesWritten - bytesWritten
    const back = client.socket._socket.bytesRead - bytesRead
    assert.ok(there < 5_000 && back < 5_000, `${there} there, ${back} back`)
  })

  test(`the test client and npm's server in ${format.name} compress what is long, both ways`, LIMIT, async t => {
    const server = await wsMessagingServer(t, format, {}, { perMessageDeflate: { threshold: 512 } })
    const guest = testclient(t, server.url, ...format.flags, '--compress', '512', '--identity', '{"welcome":1}')
    assert.deepEqual(await guest.do({ do: 'connect' }), { ok: 1 })
    const { client } = await server.next('connection')
    client.register('echo', what => what)
    const [{ _socket: socket, extensions }] = server.server.wss.clients
    assert.match(extensions, /permessage-deflate/)
    const { bytesRead, bytesWritten } = socket
    assert.deepEqual(await guest.do({ do: 'call', rp: 'echo', payload: LONG }), { ok: LONG })
    const [there, back] = [socket.bytesRead - bytesRead, socket.bytesWritten - bytesWritten]
    assert.ok(there < 2_000 && back < 2_000, `${there} there, ${back} back`)
  })
}

test('the testbed agrees with npm `ws` whatever window it asks for, and begins every message anew', LIMIT, async t => {
  const bed = await testbed(t, ['--compress', '1', '--anonymous'])
  for (const options of [
    true,
    { serverMaxWindowBits: 9 },
    { serverMaxWindowBits: 8, clientMaxWindowBits: 10 },
    { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }
  ]) {
    const socket = new WebSocket(bed.url, 'wse-default-json', { perMessageDeflate: options })
    const said = []
    await new Promise((resolve, reject) => {
      socket.on('error', reject).on('open', () => {
        socket.send(JSON.stringify(['~wse:hi', { identity: 'user-ann' }, null]))
        for (let n = 0; n < 3; n++) { socket.send(JSON.stringify(['echo', [n, LONG], null])) }
      }).on('message', data => {
        said.push(JSON.parse(data))
        if (said.length === 4) { resolve() }
      })
    })
    assert.match(socket.extensions, /permessage-deflate/)
    assert.deepEqual(said.slice(1), [0, 1, 2].map(n => ['echo', [n, LONG], null]))
    socket.terminate()
  }
})
