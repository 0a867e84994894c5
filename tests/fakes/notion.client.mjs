import { Client, collectPaginatedAPI } from '@notionhq/client'
import { about, check, end, fault, refused } from './scenario.mjs'

const client = new Client({ auth: about.token, baseUrl: about.base_url, logger: () => {} })
const source = about.data_source_id
const code = (wanted, work) => refused(work, (error) => error.code === wanted)

await check('users.me', async () => (await client.users.me({})).type === 'bot')
await check('pages', async () => (await collectPaginatedAPI(client.dataSources.query, { data_source_id: source, page_size: 2 })).length === 5)
await check('a filter', async () =>
  (await client.dataSources.query({ data_source_id: source, filter: { or: [{ property: 'Name', title: { contains: '3' } }, { property: 'Checked', checkbox: { equals: true } }] } })).results.length === 3)
await check('a database', async () => (await client.databases.retrieve({ database_id: about.database_id })).data_sources[0].id === source)
const page = await client.pages.create({ parent: { page_id: about.page_id }, properties: { title: { title: [{ text: { content: 'By node' } }] } }, children: [{ paragraph: { rich_text: [{ text: { content: 'x' } }] } }] })
await check('a page with blocks', async () => (await client.blocks.children.list({ block_id: page.id })).results.length === 1)
await check('search', async () => (await client.search({ query: 'by node' })).results[0].id === page.id)
await check('no such page', () => code('object_not_found', () => client.pages.retrieve({ page_id: '00000000-0000-4000-8000-000000000000' })))
await check('a size too large', () => code('validation_error', () => client.dataSources.query({ data_source_id: source, page_size: 200 })))
await check('a wrong token', () => code('unauthorized', () => new Client({ auth: 'no', baseUrl: about.base_url, logger: () => {} }).users.me({})))
await fault('429', { seconds: 1 })
await check('it waits', async () => (await client.users.me({})).object === 'user')
await fault('503')
await check('it reads again', async () => (await client.users.me({})).object === 'user')
await fault('503')
await check('and does not write again', () => code('service_unavailable', () => client.pages.create({ parent: { page_id: about.page_id }, properties: {} })))
end()
