// An OpenID provider for tests: `node provider.mjs REDIRECT_URI`. Prints its issuer when it listens, and ends when its standard input does.
//
// It is the certified `oidc-provider` with its own sign-in forms. Who exists is set by `PUT /_accounts`: {"ada": {"email": …, "groups": […]}}.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const [redirectUri] = process.argv.slice(2)
let accounts = {}

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'patchbay',
        client_secret: 'a secret of the client: /?&',
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    // What is asked for as a scope is in the identity token itself, as most providers have it.
    conformIdTokenClaims: process.env.CONFORM === '1',
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'email', 'profile', 'groups'],
    pkce: { required: () => true },
    cookies: { keys: ['of a test'] },
    findAccount: (_, id) =>
      accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  })
  provider.on('server_error', (_, error) => console.error(error))
  const oidc = provider.callback()
  server.on('request', (request, response) => {
    if (request.method === 'PUT' && request.url === '/_accounts') {
      let body = ''
      request.on('data', (part) => (body += part))
      request.on('end', () => {
        accounts = JSON.parse(body)
        response.writeHead(204).end()
      })
      return
    }
    oidc(request, response)
  })
  console.log(issuer)
})
process.stdin.resume().on('end', () => process.exit(0))
