// Drives one Chromium over the page and says of each part whether it holds. The world comes as JSON on stdin.

import { chromium } from 'playwright-core';
import { Parts } from './parts.mjs';
import * as building from './building.mjs';
import * as callers from './callers.mjs';
import * as trying from './trying.mjs';
import * as watching from './watching.mjs';
import * as looking from './looking.mjs';

let text = '';
for await (const piece of process.stdin) text += piece;
const world = JSON.parse(text);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // An empty profile of its own; nothing of it speaks with anybody but the gateway.
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const parts = new Parts(browser, world);
try {
  for (const module of [building, watching, trying, callers, looking]) await module.run(parts);
} finally {
  await browser.close();
}
process.exit(parts.failed ? 1 : 0);
