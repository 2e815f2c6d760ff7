// Try what a session offers: the form of a schema, progress, log, elicitation, stopping, prompts and resources.

import assert from 'node:assert/strict';
import { accessible, says, shoot } from './parts.mjs';

export async function run(parts) {
  const { world } = parts;
  const begin = async (open) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'kitchen' });
    const page = await open(world.open, `#/session/${id}/try`);
    await page.locator('.pick').first().waitFor();
    return page;
  };
  const pick = async (page, name) => {
    await page.locator(`[data-offer="${name}"]`).click();
    await page.locator('.run').waitFor();
  };
  const argument = (page, name) => page.locator(`[data-argument="${name}"]`);
  const result = async (page) => JSON.parse(await page.locator('.result details pre').innerText());

  await parts.part('a schema that never ends has a form that does', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.maze');
    const fields = await page.locator('.run [data-argument]').count();
    assert.ok(fields > 10 && fields < 700, `${fields} fields`);
    await page.getByText('Arguments, in words').click();
    assert.ok((await page.locator('dt').count()) <= 300);
    await argument(page, 'word').last().fill('out');
    await page.getByRole('button', { name: 'Write JSON instead' }).click();
    assert.deepEqual(JSON.parse(await page.getByLabel('Arguments as JSON').inputValue()), { word: 'out' });
  });

  await parts.part('an address that is cut anywhere leads somewhere', async (open) => {
    const page = await open(world.open, '#/session/%');
    await page.locator('h1', { hasText: 'gone' }).waitFor();
  });

  await parts.part('a form made from a schema sends what its fields say', async (open) => {
    const page = await begin(open);
    await page.getByRole('searchbox').fill('meal');
    await says(page, '[role=status]', '1 of');
    await pick(page, 'kitchen.order');
    await shoot(page, 'try-form');
    await page.locator('[data-run]').click();
    await says(page, '.field-error', 'Fill this in');
    await argument(page, 'dish').fill('Soup');
    await argument(page, 'portions').fill('12');
    await argument(page, 'street').fill('Main Street 1');
    await page.locator('[data-run]').click();
    await says(page, '.field-error', 'from 1 to 9');
    await argument(page, 'portions').fill('3');
    await argument(page, 'price').fill('4.5');
    await argument(page, 'hot').selectOption('true');
    await argument(page, 'size').selectOption({ label: 'large' });
    await page.getByLabel('pepper').check();
    await page.locator('[data-add=notes]').click();
    await page.keyboard.type('no onions');
    await argument(page, 'anything').fill('{"a": [1]}');
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Done in');
    const sent = {
      dish: 'Soup', portions: 3, price: 4.5, hot: true, size: 'large', extras: ['pepper'], notes: ['no onions'],
      address: { street: 'Main Street 1' }, anything: { a: [1] },
    };
    await page.locator('.result details summary').click();
    assert.deepEqual((await result(page)).structuredContent, sent);
    await page.getByRole('button', { name: 'Write JSON instead' }).click();
    assert.deepEqual(JSON.parse(await page.getByLabel('Arguments as JSON').inputValue()), sent);
    await page.getByLabel('Arguments as JSON').fill('{"dish": "Ra');
    await page.locator('[data-run]').click();
    await says(page, '.field-error', 'no JSON object');
    await shoot(page, 'try-result');
  });

  await parts.part('a question of a server is answered in a form while the tool runs', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.ask');
    await page.locator('[data-run]').click();
    await page.locator('.question').waitFor();
    await shoot(page, 'question');
    await page.locator('.question [data-argument]').first().fill('Ada');
    await page.locator('[data-answer]').click();
    await says(page, '.phase', 'Done in');
    await says(page, '.result', 'Ada');
    await page.locator('[data-run]').click();
    await page.getByRole('button', { name: 'Decline' }).click();
    await says(page, '.result', 'decline');
  });

  await parts.part('a page to visit is opened only by whoever read where it leads', async (open, context) => {
    const page = await begin(open);
    const visited = [];
    await context.route('https://login.example/**', async (route) => {
      visited.push(route.request().url());
      await route.fulfill({ contentType: 'text/html', body: '<title>Sign in</title>' });
    });
    await pick(page, 'kitchen.ask_url');
    await page.locator('[data-run]').click();
    await says(page, '.question strong', 'login.example');
    assert.equal(await page.locator('.question pre').innerText(), 'https://login.example/?a=1&b=%20');
    await parts.until(() => page.evaluate(() => document.activeElement.classList.contains('question')));
    await accessible(page, 'a page to visit');
    await shoot(page, 'visit');
    assert.deepEqual(visited, []);
    const [popup] = await Promise.all([context.waitForEvent('page'), page.locator('[data-open]').click()]);
    await popup.waitForURL('https://login.example/**');
    assert.deepEqual(await popup.evaluate(() => [window.opener, document.referrer]), [null, '']);
    await popup.close();
    await page.bringToFront();
    await says(page, '.phase', 'Done in');
    await says(page, '.line', 'what it sent you to is done');
    const answers = async () => (await result(page)).structuredContent.answers;
    await page.locator('.result details summary').click();
    assert.deepEqual(await answers(), { login: { action: 'accept' } });
    await page.locator('[data-run]').click();
    await page.getByRole('button', { name: 'Decline' }).click();
    await says(page, '.phase', 'Done in');
    await page.locator('.result details summary').click();
    assert.deepEqual(await answers(), { login: { action: 'decline' } });
    assert.equal(visited.length, 1);
  });

  await parts.part('a tool that wants a page to be visited first says so, and no other address is a link', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.fail');
    const urls = ['javascript:alert(1)', 'http://ada@xn--80ak6aa92e.example/a', 'https://a.example/1'];
    const elicitations = urls.map((url, place) => ({ mode: 'url', url, message: `Visit ${place}`, elicitationId: `e${place}` }));
    await argument(page, '').fill(JSON.stringify({ code: -32042, message: 'visit first', data: { elicitations } }));
    await page.locator('[data-run]').click();
    await says(page, '.result h3', 'visit a page first');
    const box = (place) => page.locator('.question', { hasText: `Visit ${place}` });
    assert.equal(await box(0).getByRole('link').count(), 0);
    for (const doubt of ['letter by letter', 'before its @', 'not encrypted']) await box(1).getByText(doubt).waitFor();
    assert.equal(await box(2).locator('.notice').count(), 0);
    assert.match(await box(2).getByRole('link').getAttribute('rel'), /noopener/);
    await shoot(page, 'visit-first');
    for (const place of [0, 1, 2]) await box(place).getByRole('button', { name: 'Decline' }).click();
    await says(page, '.result', 'Then run it again');
  });

  await parts.part('a tool that asks a model is answered by whoever sits there', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.sample');
    await page.locator('[data-run]').click();
    await says(page, '.question', 'What is the capital of France?');
    await says(page, '.question', 'Be brief.');
    await page.locator('[data-answer]').click();
    await says(page, '.question .field-error', 'Write what a model might say');
    await page.locator('[data-model]').fill('Paris');
    await accessible(page, 'in place of a model');
    await shoot(page, 'sample');
    await page.locator('[data-answer]').click();
    await says(page, '.phase', 'Done in');
    await says(page, '.result', 'Paris');
    await page.locator('[data-run]').click();
    await page.getByRole('button', { name: 'Refuse' }).click();
    await says(page, '.result', 'refused to answer');
  });

  await parts.part('a server that asks where it may work is told the folders that stand there', async (open) => {
    const page = await begin(open);
    await page.getByText('Folders for servers that ask').click();
    const folders = page.getByLabel('Folders (roots)');
    await folders.fill('/home/ada');
    await folders.blur();
    await says(page, '.roots .field-error', 'begin with file:///');
    await folders.fill('file:///home/ada/one\nfile:///home/ada/two');
    await folders.blur();
    await pick(page, 'kitchen.roots');
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Done in');
    await says(page, '.result', 'file:///home/ada/two');
    await says(page, '.roots', 'A server asked, and was told 2');
    await shoot(page, 'roots');
  });

  await parts.part('progress and log are shown as they come, and a run can be stopped', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.progress');
    await argument(page, 'steps').fill('3');
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Done in');
    assert.ok((await page.locator('.line').count()) >= 2);
    await pick(page, 'kitchen.log');
    await page.locator('[data-run]').click();
    await says(page, '.line-kind', 'warning');
    await says(page, '.phase', 'Done in');
    await shoot(page, 'log');
    await pick(page, 'kitchen.wait');
    await page.locator('[data-run]').click();
    // What takes a call back may be there before the call.
    await parts.act('the kitchen is called: wait');
    await page.getByRole('button', { name: 'Stop' }).click();
    await says(page, '.phase', 'Stopped');
    await pick(page, 'kitchen.fail');
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Failed after');
    await page.locator('.result .notice.bad').waitFor();
  });

  await parts.part('prompts and resources are read', async (open) => {
    const page = await begin(open);
    await pick(page, 'kitchen.greet');
    await argument(page, 'name').fill('Ada');
    await page.locator('[data-run]').click();
    await says(page, '.result', 'Say hello to Ada!');
    const resource = page.locator('.pick', { hasText: 'Resource' }).first();
    await resource.click();
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Done in');
    await says(page, '.result', 'As it came');
  });
}
