// What each client's file begins with.
const fake = JSON.parse(process.argv[2])
export const about = fake.about
export const url = fake.url
let failed = false

export async function admin(path, body) {
  const answer = await fetch(`${url}/_admin/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}

export async function requests() {
  return (await (await fetch(`${url}/_admin/requests`)).json()).requests
}

export const fault = (name, more = {}) => admin('faults', { fault: name, ...more })

// Does one thing; it is as expected if it gives something true.
export async function check(name, work) {
  let good, why
  try {
    const value = await work()
    good = Boolean(value)
    why = `it gave ${JSON.stringify(value)}`
  } catch (error) {
    good = false
    why = String(error?.stack ?? error)
  }
  failed ||= !good
  console.log(good ? `ok ${name}` : `not ${name}: ${why}`.replaceAll('\n', ' '))
}

// Whether this work fails in the way that the test knows.
export async function refused(work, test) {
  try {
    await work()
  } catch (error) {
    return test(error)
  }
  return false
}

export const end = () => process.exit(failed ? 1 : 0)
