// Drives one Chromium over the page and says of each part whether it holds. The world comes as a line of JSON on stdin; what
// a part wants it to do is a line on stdout, answered by a line when it is done.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { PATIENCE_MS, Parts } from './parts.mjs';
import * as building from './building.mjs';
import * as callers from './callers.mjs';
import * as changing from './changing.mjs';
import * as trying from './trying.mjs';
import * as watching from './watching.mjs';
import * as looking from './looking.mjs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const world = await next();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  timeout: PATIENCE_MS,
  // An empty profile of its own; nothing of it speaks with anybody but the gateway.
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const parts = new Parts(browser, world, async (what) => {
  console.log(`do ${what}`);
  assert.ok(await next(), `never: ${what}`);
});
try {
  for (const module of [building, watching, trying, changing, callers, looking]) await module.run(parts);
} finally {
  await browser.close();
}
process.exit(parts.failed ? 1 : 0);
