import { WebClient } from '@slack/web-api'
import { about, admin, check, end, fault, refused } from './scenario.mjs'

const options = { slackApiUrl: about.base_url, retryConfig: { retries: 2, minTimeout: 50 }, logLevel: 'error' }
const client = new WebClient(about.token, options)
const member = about.channels.member
const code = (error, work) => refused(work, (raised) => raised.data?.error === error)

await check('auth.test', async () => (await client.auth.test()).user_id === about.bot_user_id)
await check('a wrong token', () => code('invalid_auth', () => new WebClient('xoxb-no', options).auth.test()))
await check('a missing scope', () => code('missing_scope', () => new WebClient(about.token_with_few_scopes, options).users.list()))
const posted = await client.chat.postMessage({ channel: '#general', text: 'hi', blocks: [{ type: 'divider' }] })
await check('chat.postMessage by a name', () => posted.channel === member && posted.message.blocks[0].type === 'divider')
await check('chat.update', async () => (await client.chat.update({ channel: member, ts: posted.ts, text: 'x' })).text === 'x')
await check('chat.postEphemeral', async () => (await client.chat.postEphemeral({ channel: member, user: 'U0FAKE00001', text: 'x' })).message_ts)
await check('reactions.add', async () => (await client.reactions.add({ channel: member, timestamp: posted.ts, name: 'eyes' })).ok)
await check('conversations.history', async () => (await client.conversations.history({ channel: member })).messages[0].reactions[0].name === 'eyes')
await check('chat.delete', async () => (await client.chat.delete({ channel: member, ts: posted.ts })).ok)
await check('pages', async () => {
  const sizes = []
  for await (const page of client.paginate('conversations.list', { limit: 5 })) sizes.push(page.channels.length)
  return sizes.join() === '5,5,1'
})
const made = (await client.conversations.create({ name: 'made-by-node', is_private: true })).channel.id
await check('conversations.invite', async () => (await client.conversations.invite({ channel: made, users: 'U0FAKE00002' })).ok)
await check('conversations.members', async () => (await client.conversations.members({ channel: made })).members.length === 2)
await check('conversations.info', async () => (await client.conversations.info({ channel: made })).channel.is_private)
await check('conversations.open', async () => (await client.conversations.open({ users: 'U0FAKE00001,U0FAKE00002' })).channel.id.startsWith('G'))
await check('users.lookupByEmail', async () => (await client.users.lookupByEmail({ email: 'ada@example.com' })).user.name === 'ada')
await check('users.info of nobody', () => code('user_not_found', () => client.users.info({ user: 'U0' })))
await check('files v2', async () => (await client.filesUploadV2({ content: 'abc', filename: 'a.txt', channel_id: member })).files[0].files[0].size === 3)
// The client pauses as long as it is told, and asks again.
await fault('429', { seconds: 1 })
await check('it waits when it is limited', async () => (await client.auth.test()).ok)
await check('it is told when it does not wait', () =>
  refused(async () => {
    const eager = new WebClient(about.token, { ...options, rejectRateLimitedCalls: true })
    for (let n = 0; n < 3; n += 1) await eager.chat.postMessage({ channel: member, text: 'x' })
  }, (error) => error.code === 'slack_webapi_rate_limited_error' && error.retryAfter === 1))
await fault('reset')
await check('it tries again after a reset', async () => (await client.auth.test()).ok)
await fault('html', { next: 3 })
await check('a page of a proxy', () => refused(() => client.auth.test(), () => true))
await admin('faults', { fault: 'slow', seconds: 1 })
await check('a slow answer', async () => (await client.auth.test()).ok)
await check('oauth.v2.access', () => code('invalid_code', () => new WebClient(undefined, options).oauth.v2.access({ client_id: about.client_id, client_secret: about.client_secret, code: 'x' })))
end()
