// Try what a session offers: the form of a schema, progress, log, elicitation, stopping, prompts and resources.

import assert from 'node:assert/strict';
import { says, shoot } from './parts.mjs';

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
