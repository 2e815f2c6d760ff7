// Loaded before a program that serves (`node --import`): keeps its idle connections. After a standstill Node.js closes those
// that were idle for 5 s before it reads the requests that wait on them.

import http from 'node:http';
import net from 'node:net';

const KEPT_MS = 600_000;
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function patiently(...how) {
  if (this instanceof http.Server) this.keepAliveTimeout = KEPT_MS;
  return listen.apply(this, how);
};
