// An authorization server for one user, Ada, who agrees to everything. Argument: the port.
//
// Dynamic registration, authorization code with PKCE, resource indicators, the issuer in the callback; access tokens
// are JWTs for exactly the resource that was asked for. `/token-for` stands for whatever else Ada gets tokens by.

import { createHash, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kid = 'the-key';
const clients = new Map();
const codes = new Map();

function encoded(value) {
  return Buffer.from(value).toString('base64url');
}

function token(resource) {
  const header = encoded(JSON.stringify({ typ: 'at+jwt', alg: 'ES256', kid }));
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = encoded(JSON.stringify({ iss: issuer, sub: 'ada', aud: resource, exp, jti: randomUUID() }));
  const signed = `${header}.${claims}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${encoded(signature)}`;
}

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

const routes = {
  'GET /.well-known/oauth-authorization-server': () => [
    200,
    {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      jwks_uri: `${issuer}/jwks.json`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none'],
      authorization_response_iss_parameter_supported: true,
    },
  ],

  'GET /jwks.json': () => [200, { keys: [{ ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig' }] }],

  async 'POST /register'(request) {
    const client = { ...JSON.parse(await body(request)), client_id: randomUUID() };
    clients.set(client.client_id, client);
    return [201, client];
  },

  'GET /authorize'(_request, asked) {
    const client = clients.get(asked.get('client_id'));
    const [redirect, challenge, resource] = ['redirect_uri', 'code_challenge', 'resource'].map((name) => asked.get(name));
    const isRight =
      client?.redirect_uris.includes(redirect) && asked.get('code_challenge_method') === 'S256' && challenge && resource;
    if (!isRight) return [400, { error: 'invalid_request' }];
    const code = randomUUID();
    codes.set(code, { client: client.client_id, redirect, challenge, resource });
    const back = new URL(redirect);
    back.searchParams.set('code', code);
    back.searchParams.set('iss', issuer);
    if (asked.get('state')) back.searchParams.set('state', asked.get('state'));
    return [302, {}, { location: back.href }];
  },

  async 'POST /token'(request) {
    const given = new URLSearchParams(await body(request));
    const code = codes.get(given.get('code'));
    codes.delete(given.get('code'));
    const challenge = createHash('sha256').update(given.get('code_verifier') ?? '').digest('base64url');
    const isRight =
      given.get('grant_type') === 'authorization_code' &&
      code?.challenge === challenge &&
      code.client === given.get('client_id') &&
      code.redirect === given.get('redirect_uri') &&
      code.resource === given.get('resource');
    if (!isRight) return [400, { error: 'invalid_grant' }];
    return [200, { access_token: token(code.resource), token_type: 'Bearer', expires_in: 600 }];
  },

  'GET /token-for': (_request, asked) => [200, { access_token: token(asked.get('resource')) }],
};

createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  const route = routes[`${request.method} ${url.pathname}`];
  const [status, answer, headers] = route ? await route(request, url.searchParams) : [404, { error: 'not_found' }];
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(answer));
}).listen(port, '127.0.0.1');
