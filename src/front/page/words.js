// The state of a connection as a person says it, and what to do about it.

import { span } from './dom.js';

const CREDENTIAL = { bearer: 'token', api_key: 'API key' };

/** Says how one server of a session stands: a mark, a word, a sentence, and whether another credential may help. */
export function standing(server, provider) {
  const why = server.last_error?.replace(/^it is out of reach for every session \((.*)\); .*$/, '$1');
  const speaks = server.revision ? `It speaks MCP ${server.revision}.` : '';
  switch (server.state) {
    case 'ready':
      return { kind: 'ok', word: 'Connected', about: [tools(server.tools), speaks].filter(Boolean).join(' ') };
    case 'connecting':
      return { kind: 'busy', word: 'Connecting…', about: 'The gateway is getting in touch with it.' };
    case 'idle':
      return {
        kind: 'calm', word: 'Asleep', about: 'It is connected to as soon as a client asks for something. Nothing to do.',
      };
    case 'waiting':
      return {
        kind: 'bad', word: 'Out of reach', why,
        about: `${again(server.retry_in_ms)} Nothing to do if it is only restarting. Otherwise ask whoever runs the gateway whether
          its address in registry.yaml is right and the server is up.`,
      };
    default:
      return refused(server, provider);
  }
}

function refused(server, provider) {
  const why = server.last_error;
  if (!provider) {
    return {
      kind: 'bad', word: 'Not offered any more', why,
      about: 'The gateway’s registry no longer has this server. Take it out of the session.',
    };
  }
  const credential = CREDENTIAL[provider.auth.type];
  const article = credential === 'API key' ? 'an' : 'a';
  if (!credential) {
    return {
      kind: 'bad', word: 'Turned down', why,
      about: 'The server takes no credential from here and refuses the gateway. Ask whoever runs the gateway about its registry entry.',
    };
  }
  // It works without for some, and not for this session.
  if (why?.includes('without a credential')) {
    return {
      kind: 'bad', word: 'It wants a credential', why, credential: true, button: `Give ${article} ${credential}`,
      about: `The server does not serve without one. Give the session ${article} ${credential}; clients stay connected meanwhile.`,
      obtain: provider.auth.obtain,
    };
  }
  return {
    kind: 'bad', word: `The ${credential} was refused`, why, credential: true, button: `Give another ${credential}`,
    about: `It may be wrong, expired, or may not do enough. Give the session another ${credential}; clients stay connected meanwhile.`,
    obtain: provider.auth.obtain,
  };
}

function tools(count) {
  if (count === null) return 'Its tools are not counted yet.';
  if (count === 0) return 'It offers no tools.';
  return `It offers ${count} tool${count > 1 ? 's' : ''}.`;
}

function again(wait) {
  const when = wait > 1500 ? ` in ${span(Math.ceil(wait / 1000) * 1000)}` : '';
  return `The gateway tries again by itself${when}.`;
}
