import { shortTime } from '../terminal/time-text.js';
import { randomUUID } from 'node:crypto';
import type { AgentCountsJson, AgentJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import {
  counted,
  labelText,
  TABLE_OUTPUTS,
  parseLimit,
  parseOutput,
  printList,
  renderFacts,
} from '../terminal/listing.js';
import { renderTable, styleFor } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { findAgent } from '../environment/find-agent.js';
import { agree } from '../commands/confirm.js';
import { whyNobody } from '../labels/why-nobody.js';
import { parseLabelChanges, type LabelChanges } from './label-changes.js';
import { reachOf } from './mode-reach.js';
import { currentFallback, fallbackText, overrideText } from './mode-text.js';

const WIDE_OUTPUTS = [...TABLE_OUTPUTS, 'wide'] as const;
const HEADERS = ['id', 'host', 'mode', 'os', 'version', 'agent', 'labels', 'notes'];

interface ListOptions {
  readonly target?: string;
  readonly counts?: string;
  readonly revoked?: boolean;
  readonly limit?: string;
  readonly output: string;
}

/** `muster agents`: who is enrolled, who is connected, and their labels. */
export function addAgentsCommand(program: Command, env: CommandEnv): void {
  const agents = program.command('agents').description('Enrolled endpoints: list, show, label, revoke.');
  addList(agents, env);
  addShow(agents, env);
  addLabel(agents, env);
  addRevoke(agents, env);
}

function addList(agents: Command, env: CommandEnv): void {
  agents
    .command('list', { isDefault: true })
    .description('Lists endpoints in the order of enrolment.')
    .option('-t, --target <selector>', 'only these: mode=live,env in (prod,staging)')
    .option('--counts <labels>', 'count by these labels instead of listing: os,env')
    .option('--revoked', 'only those whose trust was ended')
    .option('--limit <n>', 'at most so many')
    .option('-o, --output <form>', WIDE_OUTPUTS.join('|'), 'table')
    .action(async ({ target, counts, revoked, limit, output }: ListOptions) => {
      const chosen = parseOutput(output, WIDE_OUTPUTS);
      const isWide = chosen === 'wide';
      const form = isWide ? 'table' : chosen;
      const nowMs = Date.now();
      const query = { selector: target, revoked: revoked === true ? 'only' : undefined } as const;
      if (counts !== undefined) {
        const page = await env.client().call('GET /v1/agents', { query: { ...query, counts, limit: 1 } });
        return printCounts(env.terminal, page.counts, form === 'json' || form === 'ndjson');
      }
      const most = limit === undefined ? undefined : parseLimit(limit);
      const items = env.client().items('GET /v1/agents', { query, limit: most });
      const count = await printList(env.terminal, form, items, {
        headers: isWide ? [...HEADERS, 'wanted', 'away'] : HEADERS,
        row: (agent) => [
          agent.agentId,
          agent.host,
          agent.presence.state,
          agent.os,
          `${agent.osName} ${agent.osVersion}`,
          agent.agentVersion,
          labelText(agent.labels),
          [agent.revoked && 'revoked', agent.duplicate && 'duplicate identity', currentFallback(agent, nowMs)]
            .filter(Boolean)
            .join(', '),
          ...(isWide ? [overrideText(agent), fallbackText(agent, nowMs)] : []),
        ],
        nothing: target === undefined ? 'No endpoint is enrolled.' : 'No endpoint matches.',
      });
      const why = count > 0 ? undefined : await whyNobody(env.client(), target ?? '');
      if (why !== undefined) await env.terminal.stderr.write(`${escapeControls(why)}\n`);
    });
}

async function printCounts(
  { stdout, env }: Terminal,
  counts: AgentCountsJson | undefined,
  asJson: boolean,
): Promise<void> {
  if (counts === undefined) return;
  if (asJson) return stdout.write(`${safeJson(counts)}\n`);
  const { total, live, poll, offline, labels } = counts;
  const rows: string[][] = [['', 'all', String(total)]];
  for (const [name, count] of Object.entries({ live, poll, offline }))
    rows.push(['', name, count === null ? 'unknown' : String(count)]);
  for (const [label, values] of Object.entries(labels)) {
    for (const [value, count] of Object.entries(values)) rows.push([label, value, String(count)]);
  }
  const options = { headers: ['label', 'value', 'endpoints'], numeric: new Set([2]), width: stdout.columns };
  await stdout.write(renderTable({ ...options, style: styleFor(stdout.isTTY, env) }, rows));
}

function addShow(agents: Command, env: CommandEnv): void {
  agents
    .command('show <agent>')
    .alias('get')
    .description('Shows one endpoint, by its id or its host name.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (name: string, { output }: { output: string }) => {
      const form = parseOutput(output, ['table', 'json']);
      const agent = await findAgent(env.client(), name);
      await env.terminal.stdout.write(form === 'json' ? `${safeJson(agent)}\n` : renderAgent(agent));
    });
}

function renderAgent(agent: AgentJson): string {
  const { presence, wanted, revoked, duplicate } = agent;
  return renderFacts(
    (
      [
        ['id', agent.agentId],
        ['host', agent.host],
        ['mode', presence.state + (presence.gatewayId === undefined ? '' : ` on ${presence.gatewayId}`)],
        [
          'wanted',
          wanted && `${overrideText(agent)}, by ${wanted.by}${wanted.reason === '' ? '' : `: ${wanted.reason}`}`,
        ],
        ['away', fallbackText(agent, Date.now())],
        ['connected', shortTime(presence.connectedAt)],
        ['last seen', shortTime(presence.lastSeenAt)],
        ['system', `${agent.osName} ${agent.osVersion} (${agent.os} ${agent.arch})`],
        ['agent version', agent.agentVersion],
        ['labels', labelText(agent.labels)],
        ['  by operators', labelText(agent.operatorLabels)],
        ['  by the agent', labelText(agent.agentLabels)],
        ['enrolled', shortTime(agent.enrolledAt)],
        ['facts of', shortTime(agent.factsAt)],
        ['revoked', revoked && `${shortTime(revoked.at)} by ${revoked.by}: ${revoked.reason}`],
        [
          'duplicate',
          duplicate &&
            `${shortTime(duplicate.at)}: ${duplicate.refusedHost} at ${duplicate.refusedAddress} has the same key`,
        ],
      ] as const
    ).map(([name, value]) => [name, value === undefined ? undefined : escapeControls(value)] as const),
  );
}

function addLabel(agents: Command, env: CommandEnv): void {
  agents
    .command('label <args...>')
    .usage('<agent> key=value… key-…\n       muster agents label --target <selector> key=value… key-…')
    .description('Sets (key=value) and removes (key-) labels of one endpoint, or of all that a selector selects.')
    .option('-t, --target <selector>', 'all of these instead of one endpoint')
    .option('-y, --yes', 'do not ask')
    .action(async (args: string[], { target, yes = false }: { target?: string; yes?: boolean }) => {
      const name = target === undefined ? args[0] : undefined;
      const change = parseLabelChanges(target === undefined ? args.slice(1) : args);
      const idempotencyKey = randomUUID();
      const { stderr, stdout } = env.terminal;
      if (name === undefined) {
        if (!(await agreeToLabel(env, target ?? '', { change, yes }))) return;
        const body = { selector: target ?? '', ...change };
        const result = await env.client().call('POST /v1/agents/labels', { body, idempotencyKey });
        const { matched, changed, unchanged, failed } = result;
        await stderr.write(`${matched} matched: ${changed} changed, ${unchanged} were so already, ${failed} failed\n`);
        if (failed > 0) env.exit(1);
        return;
      }
      const { agentId } = await findAgent(env.client(), name);
      const params = { id: agentId };
      const agent = await env.client().call('PATCH /v1/agents/{id}/labels', { params, body: change, idempotencyKey });
      await stdout.write(`${agent.host}  ${labelText(agent.labels)}\n`);
    });
}

/** On a terminal the count is shown and asked about, as `run` does; scripts need no `--yes`, since the labels can be set back. */
async function agreeToLabel(
  env: CommandEnv,
  selector: string,
  { change, yes }: { readonly change: LabelChanges; readonly yes: boolean },
): Promise<boolean> {
  const prompt = yes ? undefined : env.terminal.openPrompt('input');
  if (prompt === undefined) return true;
  try {
    const { matched } = await reachOf(env.client(), { selector });
    if (matched === 0) {
      const why = await whyNobody(env.client(), selector);
      await env.terminal.stderr.write(`No endpoint matches.${why === undefined ? '' : ` ${escapeControls(why)}`}\n`);
      return false;
    }
    const set = labelText(change.set);
    const what = [...(set === '' ? [] : [`set ${set}`]), ...change.remove.map((key) => `remove ${key}`)].join(', ');
    await agree(prompt, [`${counted(matched, 'endpoint')} (${selector === '' ? 'every one' : selector}): ${what}`]);
    return true;
  } finally {
    prompt.close();
  }
}

function addRevoke(agents: Command, env: CommandEnv): void {
  agents
    .command('revoke <agent>')
    .description(
      'Ends the trust in an endpoint for good: its session is closed within seconds, its key is never accepted again.',
    )
    .requiredOption('--reason <text>', 'why; kept in the audit record')
    .option('-y, --yes', 'yes, for good')
    .action(async (name: string, { reason, yes }: { reason: string; yes?: boolean }) => {
      const agent = await findAgent(env.client(), name);
      const { stderr } = env.terminal;
      if (yes !== true)
        throw usageError(`this ends the trust in ${agent.host} (${agent.agentId}) for good`, 'say --yes to do it');
      const call = { params: { id: agent.agentId }, body: { reason }, idempotencyKey: randomUUID() };
      await env.client().call('POST /v1/agents/{id}/revoke', call);
      await stderr.write(`${escapeControls(agent.host)} (${agent.agentId}) is revoked\n`);
    });
}
