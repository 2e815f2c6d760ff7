// Where callers are authenticated: sign in, a wrong key, another's session, the operator.

import assert from 'node:assert/strict';
import { accessible, says, shoot } from './parts.mjs';

export async function run(parts) {
  const { world } = parts;
  const { ada, olga } = world.keys;

  await parts.part('whoever signs in with a key has their sessions, and the operator sees all', async (open, context) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'of ada' }, world.guarded, ada);
    const page = await open(world.guarded, '#/sessions');
    await says(page, 'h1', 'Sign in');
    await accessible(page, 'sign-in');
    await shoot(page, 'sign-in');
    await page.getByLabel('API key').fill('nobody');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await says(page, '[role=alert]', 'This key lets nobody in');
    await page.getByLabel('API key').fill(ada);
    await page.keyboard.press('Enter');
    await says(page, '.session-line', 'of ada');
    assert.ok(!page.url().includes(ada));
    const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie]);
    assert.ok(kept.every((text) => !text.includes('mcpgw') && text.length < 60), kept.join());
    await page.goto(`${world.guarded}/#/session/${id}/connect`);
    await says(page, '.hint', 'Your key is not in the entry');
    assert.ok(!(await page.locator('main').innerText()).includes(ada));
    await page.goto(`${world.guarded}/#/session/${id}/try`);
    await page.locator('[data-offer="kitchen.echo"]').waitFor();
    // Whose stream it is the key tells, which no address may hold.
    const deny = { tools: { kitchen: { deny: ['echo'] } } };
    await parts.ask('PATCH', `/session/${id}`, deny, { authorization: `Bearer ${ada}` }, world.guarded);
    await page.locator('[data-offer="kitchen.echo"]').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await says(page, 'h1', 'Sign in');

    const other = await open(world.guarded, '#/sessions');
    await says(other, 'h1', 'Sign in');
    await other.getByLabel('API key').fill(olga);
    await other.keyboard.press('Enter');
    await says(other, '.session-line .tag', 'ada');
    await other.getByRole('link', { name: 'of ada' }).click();
    await says(other, '[data-server=kitchen] .state', 'Connected');
    await other.getByRole('link', { name: 'Try it' }).click();
    await says(other, '[role=alert]', 'Only the session’s owner');
    await other.goto(`${world.guarded}/#/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11`);
    await says(other, 'h1', 'This session is gone');
    assert.equal(context.pages().length, 2);
  });
}
