import OzAPI from 'oz-agent-sdk'
import { about, check, end, fault, refused } from './scenario.mjs'

const client = new OzAPI({ apiKey: about.api_key, baseURL: about.base_url })
const run = await client.agent.run({ prompt: 'Do it' })
await check('a run is made', () => run.state === 'QUEUED')
await check('it goes on', async () => {
  const states = []
  for (let n = 0; n < 3; n += 1) states.push((await client.agent.runs.retrieve(run.run_id)).state)
  return states.join() === 'QUEUED,INPROGRESS,SUCCEEDED'
})
await check('runs.list', async () => (await client.agent.runs.list({ state: ['SUCCEEDED'], limit: 5 })).runs.length === 1)
await check('cancel of what has ended', () => refused(() => client.agent.runs.cancel(run.run_id), (error) => error.status === 400 && error.error.error === 'invalid_request'))
await check('no such run', () => refused(() => client.agent.runs.retrieve('no'), (error) => error.status === 404))
await fault('503', { next: 2 })
await check('it tries again', async () => (await client.agent.run({ prompt: 'x' })).run_id)
const schedule = await client.agent.schedules.create({ name: 'daily', cron_schedule: '0 9 * * *', prompt: 'Do it' })
await check('a schedule', async () => (await client.agent.schedules.pause(schedule.id)).enabled === false)
await check('it goes', async () => (await client.agent.schedules.delete(schedule.id)).success)
end()
