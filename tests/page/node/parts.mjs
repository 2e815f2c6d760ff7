// What all parts stand on: windows, what must never be in a console, and axe.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long a fact may take: long, because the machine may be slow, or stand still. */
export const PATIENCE_MS = 120000;
/** Where pictures go, for whoever wants to look; none otherwise. */
const shots = process.env.SHOTS;
/** A folder from which the page's files are taken instead of the program, for whoever writes them; none otherwise. */
const sources = process.env.PAGE;
/** Words that the names of parts begin with which are done, split by `;`, for whoever writes them; all otherwise. */
const only = process.env.PARTS?.split(';');

export class Parts {
  failed = false;

  /** `act` has the world do something, and comes back when it is so. */
  constructor(browser, world, act) {
    this.browser = browser;
    this.world = world;
    this.act = act;
  }

  /** Does one part in a profile of its own, and says whether it holds. */
  async part(name, act, options = {}) {
    if (only && !only.some((words) => name.startsWith(words))) return;
    const context = await this.browser.newContext({ ...options, reducedMotion: 'reduce' });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        console.error(`against the policy: ${effectiveDirective} ${blockedURI}`);
      });
    });
    if (sources) await context.route('**/page/*', (route) => fromSources(route));
    const complaints = [];
    const begun = Date.now();
    const open = async (base, hash = '') => {
      const page = await context.newPage();
      listen(page, complaints);
      await page.goto(`${base}/${hash}`);
      return page;
    };
    try {
      await act(open, context, complaints);
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
    const response = await this.ask('POST', '/create-session', body, key && { authorization: `Bearer ${key}` }, base);
    assert.equal(response.status, 201);
    return (await response.json()).session_id;
  }

  /** Asks the API for something, as a program that is not this page. */
  ask(method, path, body, headers = {}, base = this.world.open) {
    const sent = { ...(body && { 'content-type': 'application/json' }), ...headers };
    return fetch(`${base}${path}`, { method, headers: sent, body: body && JSON.stringify(body) });
  }

  /** Calls a tool of a session, as another client does. */
  call(id, name, headers = {}, base = this.world.open) {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } };
    return this.ask('POST', `/session/${id}/mcp`, body, headers, base);
  }

  /** A session as the API describes it. */
  async described(id) {
    return (await this.ask('GET', `/session/${id}`)).json();
  }

  /** Asks until something is so. */
  async until(holds) {
    const over = Date.now() + PATIENCE_MS;
    while (!(await holds())) assert.ok(Date.now() < over, `never: ${holds}`);
  }
}

/** The gateway's answer, with the file as it stands in the sources. */
async function fromSources(route) {
  const name = path.basename(new URL(route.request().url()).pathname);
  const like = name.endsWith('.css') ? 'base.css' : name.endsWith('.svg') ? 'icon.svg' : 'main.js';
  const response = await route.fetch({ url: new URL(like, route.request().url()).href });
  await route.fulfill({ response, status: 200, body: fs.readFileSync(path.join(sources, name)) });
}

/** Has a page believe that nobody sees it, or that somebody does again. */
export function hide(page, hidden) {
  return page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
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
