// Loaded before a server (`node --import`): ends it with the test that started it, and keeps it on loopback.

import net from 'node:net';
import './patient.mjs';

// A test that is killed closes our stdin without saying goodbye.
process.stdin.on('end', () => process.exit(0)).resume();

// Some servers listen on every interface and offer no option for it.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function onLoopback(port, ...rest) {
  const portAlone = !Number.isNaN(Number(port)) && typeof port !== 'object' && typeof rest[0] !== 'string';
  return portAlone ? listen.call(this, port, '127.0.0.1', ...rest) : listen.call(this, port, ...rest);
};
