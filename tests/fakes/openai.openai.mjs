import OpenAI from 'openai'
import { about, check, end, fault, refused } from './scenario.mjs'

const client = new OpenAI({ apiKey: about.api_key, baseURL: about.base_url })
const model = about.chat_models[0]
const ask = { model, messages: [{ role: 'user', content: 'What is it?' }] }
const schema = { type: 'object', additionalProperties: false, required: ['kind'], properties: { kind: { type: 'string', enum: ['a', 'b'] } } }

await check('a chat', async () => (await client.chat.completions.create(ask)).choices[0].message.content)
await check('an answer that obeys its schema', async () => {
  const format = { type: 'json_schema', json_schema: { name: 'kind', strict: true, schema } }
  return JSON.parse((await client.chat.completions.create({ ...ask, response_format: format })).choices[0].message.content).kind === 'a'
})
await check('responses', async () => {
  const text = { format: { type: 'json_schema', name: 'kind', strict: true, schema } }
  return JSON.parse((await client.responses.create({ model, input: 'x', text })).output_text).kind === 'a'
})
await check('embeddings', async () => {
  const vector = (await client.embeddings.create({ model: about.embedding_model, input: 'x' })).data[0].embedding
  return vector.length === 1536 && Math.abs(vector.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3
})
await check('models', async () => (await client.models.list()).data.length === 3)
await check('another key', () => refused(() => new OpenAI({ apiKey: 'no', baseURL: about.base_url }).models.list(), (error) => error.status === 401))
await fault('500', { next: 2 })
await check('it tries again', async () => (await client.models.list()).data)
await fault('reset')
await check('it tries again after a reset', async () => (await client.models.list()).data)
await fault('insufficient_quota')
await check('no quota', () => refused(() => client.chat.completions.create(ask, { maxRetries: 0 }), (error) => error.code === 'insufficient_quota'))
await fault('refusal')
await check('a refusal', async () => (await client.chat.completions.create(ask)).choices[0].message.refusal)
end()
