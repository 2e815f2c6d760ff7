// What all parts stand on: windows, what must never be in a console, and axe.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long a fact may take: long, because the machine may be slow. */
const PATIENCE_MS = 20000;
/** Where pictures go, for whoever wants to look; none otherwise. */
const shots = process.env.SHOTS;

export class Parts {
  failed = false;

  constructor(browser, world) {
    this.browser = browser;
    this.world = world;
  }

  /** Does one part in a profile of its own, and says whether it holds. */
  async part(name, act, options = {}) {
    const context = await this.browser.newContext({ ...options, reducedMotion: 'reduce' });
    context.setDefaultTimeout(PATIENCE_MS);
    const complaints = [];
    const begun = Date.now();
    const open = async (base, hash = '') => {
      const page = await context.newPage();
      listen(page, complaints);
      await page.goto(`${base}/${hash}`);
      return page;
    };
    try {
      await act(open, context);
      assert.deepEqual(complaints, []);
      console.log(`ok ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      this.failed = true;
      console.log(`FAILED ${name}: ${error.stack}\n${complaints.join('\n')}`);
      for (const page of context.pages()) console.log(await page.locator('main').innerText().catch(() => ''));
    } finally {
      await context.close();
    }
  }

  /** Makes a session by the API: its id. */
  async session(body, base = this.world.open, key = null) {
    const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
    const response = await fetch(`${base}/create-session`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(response.status, 201);
    return (await response.json()).session_id;
  }

  /** A session as the API describes it. */
  async described(id) {
    return (await fetch(`${this.world.open}/session/${id}`)).json();
  }
}

function listen(page, complaints) {
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.message}`));
  page.on('console', (message) => {
    // Chromium tells of each refusal that the page itself shows.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!['127.0.0.1', ''].includes(url.hostname)) complaints.push(`asks ${url.hostname}`);
  });
}

/** Waits until a place is there and says these words. */
export async function says(page, place, words) {
  await page.locator(place).filter({ hasText: words }).first().waitFor();
}

/** Fails on whatever axe finds. */
export async function accessible(page, where) {
  await page.evaluate(axe);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: 'tag', values } }), tags);
  const told = violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((it) => `${it.target} ${it.any?.[0]?.message ?? ''}`)}`);
  assert.deepEqual(told, []);
}

/** Nothing is wider than the window. */
export async function fits(page, where) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${where}: ${wide} px in a window of ${window}`);
}

export async function shoot(page, name) {
  if (!shots) return;
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}
