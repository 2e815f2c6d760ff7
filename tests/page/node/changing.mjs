// What changes while somebody looks: lists that are told anew, windows that nobody sees, a gateway that starts again, a
// server that goes away and comes back.

import assert from 'node:assert/strict';
import { PATIENCE_MS, hide, says, shoot } from './parts.mjs';

export async function run(parts) {
  const { world } = parts;
  const offer = (page, name) => page.locator(`[data-offer="${name}"]`);
  const streams = (count) => parts.act(`the larder is listened to on streams: ${count}`);
  const patch = (id, body) => parts.ask('PATCH', `/session/${id}`, body);
  /** One stream is the session's own, for all who share it; another is the page's. */
  const begin = async (open) => {
    const id = await parts.session({ servers: ['larder'], name: 'larder' });
    const page = await open(world.open, `#/session/${id}/try`);
    await offer(page, 'larder.echo').waitFor();
    await streams(2);
    return { id, page };
  };
  const end = async (id) => {
    await parts.ask('DELETE', `/session/${id}`);
    await streams(0);
  };
  const clients = (id, count) => parts.until(async () => (await parts.described(id)).mcp_sessions === count);

  await parts.part('a list that changes is shown as it changes, and what somebody does there stays', async (open) => {
    const { id, page } = await begin(open);
    await page.getByRole('searchbox').fill('larder');
    await offer(page, 'larder.progress').click();
    await page.locator('[data-argument=steps]').fill('3');
    await parts.act('the larder offers another tool: grown');
    await offer(page, 'larder.grown').waitFor();
    await says(page, '.pick-kind', 'new');
    // It is shown for a moment, and stays for who cannot see.
    await page.locator('#said', { hasText: 'The list changed: 1 new' }).waitFor({ state: 'attached' });
    assert.equal(await page.locator('[data-argument=steps]').inputValue(), '3');
    assert.equal(await page.getByRole('searchbox').inputValue(), 'larder');
    await shoot(page, 'list-changed');

    const other = await open(world.open, `#/session/${id}/change`);
    await other.getByText('More options').click();
    await other.getByRole('textbox', { name: 'Never offer these tools of larder' }).fill('progress');
    await other.locator('[data-provider=kitchen]').check();
    await other.getByRole('button', { name: 'Save changes' }).click();
    await page.bringToFront();
    await offer(page, 'larder.progress').waitFor({ state: 'detached' });
    await says(page, '.offer .notice', 'not offered any more');
    await page.getByRole('searchbox').fill('');
    // The first server has no prompts: the session had none when the page began.
    await offer(page, 'kitchen.greet').click();
    await page.locator('[data-argument=name]').fill('Ada');
    await page.locator('[data-run]').click();
    await says(page, '.result', 'Say hello to Ada!');
    await shoot(page, 'list-changed-elsewhere');
    await end(id);
  });

  await parts.part('a page that nobody sees holds no stream and no MCP session', async (open) => {
    const { id, page } = await begin(open);
    await clients(id, 1);
    await hide(page, true);
    await streams(1);
    await clients(id, 0);
    await patch(id, { naming: 'underscores' });
    await hide(page, false);
    await offer(page, 'larder__echo').waitFor();
    assert.equal(await offer(page, 'larder.echo').count(), 0);
    await streams(2);
    // A server may hold something for whoever ran a tool: the MCP session stays, and the stream goes on where it was.
    await offer(page, 'larder__echo').click();
    await page.locator('[data-run]').click();
    await says(page, '.phase', 'Done in');
    await hide(page, true);
    await patch(id, { naming: 'dot' });
    await clients(id, 1);
    const resumed = page.waitForRequest((request) => Boolean(request.headers()['last-event-id']));
    await hide(page, false);
    await resumed;
    await offer(page, 'larder.echo').waitFor();
    await page.getByRole('link', { name: 'Servers' }).click();
    await streams(1);
    await clients(id, 0);
    await end(id);
  });

  await parts.part('changes are heard again after the gateway started again, and in another MCP session', async (open) => {
    const { id, page } = await begin(open);
    await parts.act('the gateway is killed');
    await says(page, '.try-list', 'Changes are not heard just now');
    await shoot(page, 'gateway-away');
    let mcpSession;
    page.on('request', (request) => (mcpSession = request.headers()['mcp-session-id'] ?? mcpSession));
    await parts.act('the gateway starts again');
    await streams(2);
    await patch(id, { tools: { larder: { deny: ['echo'] } } });
    await offer(page, 'larder.echo').waitFor({ state: 'detached' });
    assert.equal(await page.getByText('Changes are not heard').count(), 0);
    await parts.ask('DELETE', `/session/${id}/mcp`, undefined, { 'mcp-session-id': mcpSession });
    await clients(id, 1);
    await streams(2);
    await patch(id, { tools: { larder: null } });
    await offer(page, 'larder.echo').waitFor();
    await end(id);
  });

  await parts.part('a server that goes away is told as that, and comes back by itself', async (open) => {
    const id = await parts.session({ servers: ['larder', 'kitchen'], name: 'half' });
    const page = await open(world.open, `#/session/${id}`);
    await says(page, '[data-server=larder] .state', 'Connected');
    const trying = await open(world.open, `#/session/${id}/try`);
    await offer(trying, 'larder.echo').click();
    await parts.act('the larder goes down');
    await trying.locator('[data-run]').click();
    await says(trying, '.result [role=alert]', 'larder');
    await says(trying, '.notice', 'Not in the list, because they could not be asked: larder');
    await page.bringToFront();
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await says(page, '[data-server=larder] .state', 'Out of reach');
    await says(page, '[data-server=kitchen] .state', 'Connected');
    await trying.bringToFront();
    await shoot(trying, 'server-away');
    await parts.act('the larder comes back');
    // The longer it was away, the longer the gateway waits before it looks again.
    await offer(trying, 'larder.echo').waitFor({ timeout: 2 * PATIENCE_MS });
    await page.bringToFront();
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await says(page, '[data-server=larder] .state', 'Connected');
    await end(id);
  });
}
