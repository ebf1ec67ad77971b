import { join } from 'node:path';
import type { Env } from '@muster/runtime/program';
import { loadAgentConfig } from './config.js';
import { examine, type HopReport } from './doctor/examine.js';
import { openDialer } from './network/dialer.js';
import { liveUrl, pollUrl } from './network/gateway-urls.js';
import { readFileIfThere } from './store/atomic-file.js';

/**
 * `muster-agent doctor`: one line for each hop to each gateway; 1 when one fails. Leaves the session of a running agent
 * alone.
 */
export async function doctor(env: Env): Promise<number> {
  const loaded = loadAgentConfig(env);
  if (!loaded.ok) {
    process.stderr.write(`muster-agent: ${loaded.error.message}\n`);
    return 2;
  }
  const { dataDir, gatewayUrls, mode } = loaded.config;
  const pin = mode === 'auto' ? undefined : mode;
  const dialer = await openDialer(loaded.config, env);
  const token = storedToken(join(dataDir, 'agent-token'));
  let healthy = true;
  for (const gateway of gatewayUrls) {
    const url = liveUrl(gateway);
    process.stdout.write(`${url}\n`);
    const agent = dialer.agentFor(url, 'live');
    const poll = { url: pollUrl(gateway), agent: dialer.keepAliveAgentFor(pollUrl(gateway), 'poll') };
    for await (const hop of examine({ url, ca: dialer.ca, proxy: dialer.proxyFor(url), agent, token, pin, poll })) {
      process.stdout.write(line(hop));
      healthy &&= hop.ok;
    }
    poll.agent.destroy();
  }
  return healthy ? 0 : 1;
}

function line({ hop, ok, detail, advice, tookMs }: HopReport): string {
  const head = `  ${ok ? 'ok  ' : 'FAIL'}  ${hop.padEnd(8)}${detail} (${Math.round(tookMs)} ms)\n`;
  return advice === undefined ? head : `${head}        ${''.padEnd(8)}${advice}\n`;
}

/** Another user's token cannot be read; the other hops can be tested without it. */
function storedToken(path: string): string | undefined {
  try {
    return readFileIfThere(path)?.trim() || undefined;
  } catch {
    return undefined;
  }
}
