import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { operations } from '@muster/api-contract';
import { type Pack, readPack } from '@muster/packs';
import { encodeChecks } from '@muster/packs/checks';
import { AppError } from '@muster/protocol';
import { callerOf } from '../commands/submit-operations.js';
import { given } from '../http/json-members.js';
import { implement, json, type Call, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import type { CommandClient } from '../upstream/command-client.js';
import type { PostureClient } from '../upstream/posture-client.js';
import { packJson, proposalJson, wholePackJson } from './posture-json.js';

export interface PackParts {
  readonly client: PostureClient;
  readonly commands: Pick<CommandClient, 'signPack'>;
}

const TEXT_BYTES = 4 * 1024 * 1024;

/** Packs: applying them, alone or as two, showing and removing them. */
export function packOperations(parts: PackParts): Operation[] {
  return [
    ...[applyOperation(parts), listPacksOperation(parts), showPackOperation(parts)],
    ...[listProposalsOperation(parts), showProposalOperation(parts), approveOperation(parts)],
    ...[rejectOperation(parts), removeOperation(parts)],
  ];
}

/** This process makes the hashes that are signed, of the text that the admin gave: no service behind it can have other checks signed. */
function applyOperation({ client, commands }: PackParts): Operation {
  return implement(operations.applyPack, async (call) => {
    const { principal, body, note } = call;
    const pack = readText(body.text);
    note({ subject: pack.id, details: { version: pack.version, checks: pack.checks.length } });
    const signed = await commands.signPack(signRequest(call, pack, body.text));
    const by = { id: principal.id, name: principal.name };
    const kept = { org: principal.org, by, text: deflateRawSync(body.text), hash: hashOf(pack) };
    if (signed.t === 'pack_waits') {
      const { proposal, why } = signed;
      const { proposals } = await client.ask({ t: 'propose_pack', ...kept, proposal, why }, 'proposals');
      const [proposed] = proposals;
      if (proposed === undefined)
        throw new AppError('internal', `the posture service does not say that ${pack.id} waits`);
      note({ details: { version: pack.version, checks: pack.checks.length, digest: proposed.digest, waits: true } });
      return json(202, proposalJson(proposed));
    }
    const { jws, keys } = signed;
    const reply = await client.ask({ t: 'store_pack', ...kept, jws, keys }, 'pack');
    return json(201, packJson(reply.pack));
  });
}

/**
 * What is approved is the text that the second person has read: they say its digest, and the command service signed it
 * with the name of the first.
 */
function approveOperation({ client, commands }: PackParts): Operation {
  return implement(operations.approvePack, async (call) => {
    const { principal, params, body, note } = call;
    note({ subject: params.id, details: { digest: body.digest } });
    const { org } = principal;
    const { proposal: waiting } = await client.ask({ t: 'show_proposal', org, id: params.id }, 'proposal');
    const { text, proposal, version } = waiting;
    note({ details: { version, digest: body.digest, requestedBy: waiting.by } });
    const yaml = unpacked(text);
    if (digestOf(yaml) !== body.digest)
      throw new AppError('conflict', `another text of ${params.id} waits by now: read it, and approve that one`);
    const pack = readText(yaml);
    const signed = await commands.signPack({ ...signRequest(call, pack, yaml), proposal });
    if (signed.t === 'pack_waits' || signed.proposer === undefined)
      throw new AppError('internal', `the command service did not say who proposed ${pack.id}`);
    const approvedBy = { id: principal.id, name: principal.name };
    const { jws, keys, proposer } = signed;
    const people = { by: { id: proposer.id, name: proposer.name }, approvedBy };
    const stored = { t: 'store_pack' as const, org, ...people, text, hash: hashOf(pack), jws, keys };
    return json(200, packJson((await client.ask(stored, 'pack')).pack));
  });
}

/** Who proposed it withdraws it; any other admin rejects it. Nothing is signed, so that this needs no command service. */
function rejectOperation({ client }: PackParts): Operation {
  return implement(operations.rejectPack, async ({ principal, params: { id }, body: { digest, reason }, note }) => {
    note({ subject: id, details: { digest, ...given('reason', reason) } });
    const by = { id: principal.id, name: principal.name };
    const request = { t: 'reject_proposal' as const, org: orgOf(principal), id, digest, by };
    const { proposal } = await client.ask(request, 'proposal_rejected');
    const { version, by: requestedBy } = proposal;
    const withdrawn = requestedBy.id === principal.id;
    note({ details: { version, digest, requestedBy, withdrawn, ...given('reason', reason) } });
    return json(200, proposalJson(proposal));
  });
}

function removeOperation({ client }: PackParts): Operation {
  return implement(operations.removePack, async ({ principal, params: { id }, note }) => {
    note({ subject: id });
    const by = { id: principal.id, name: principal.name };
    const { version } = await client.ask({ t: 'remove_pack', org: orgOf(principal), id, by }, 'pack_removed');
    note({ details: { version } });
    return json(204);
  });
}

/** @throws AppError `forbidden` for whom a selector bounds */
function orgOf({ org, bound }: Principal) {
  if (bound.length === 0) return org;
  throw new AppError('forbidden', 'packs are for all endpoints of the org: this needs an admin without a selector');
}

function signRequest(call: Pick<Call, 'principal' | 'from' | 'trace'>, pack: Pack, text: string) {
  const claims = { pack: pack.id, version: pack.version, hash: hashOf(pack), checks: pack.checks.length };
  return { t: 'sign_pack' as const, ...callerOf(call), pack: claims, digest: digestOf(text) };
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const unpacked = (text: Uint8Array): string => inflateRawSync(text, { maxOutputLength: TEXT_BYTES }).toString('utf8');

function readText(text: string): Pack {
  const read = readPack(text);
  if (read.ok) return read.pack;
  const [first] = read.faults;
  const where = first === undefined ? '' : `${first.line}:${first.column} ${first.path}: ${first.message}`;
  throw new AppError('bad_pack', `the pack has ${read.faults.length} faults: ${where}`, {
    details: { faults: read.faults.slice(0, 20) },
  });
}

function hashOf({ id, checks }: Pack): string {
  try {
    return encodeChecks(checks).hash;
  } catch (cause) {
    if (cause instanceof RangeError) throw new AppError('too_large', `${id}: ${cause.message}`, { cause });
    throw cause;
  }
}

function listPacksOperation({ client }: PackParts): Operation {
  return implement(operations.listPacks, async ({ principal }) => {
    const { packs } = await client.ask({ t: 'list_packs', org: principal.org }, 'packs');
    return json(200, { items: packs.map(packJson) });
  });
}

function showPackOperation({ client }: PackParts): Operation {
  return implement(operations.showPack, async ({ principal, params }) => {
    const { pack, text = new Uint8Array() } = await client.ask(
      { t: 'show_pack', org: principal.org, id: params.id },
      'pack',
    );
    return json(200, wholePackJson(pack, unpacked(text)));
  });
}

function listProposalsOperation({ client }: PackParts): Operation {
  return implement(operations.listPackProposals, async ({ principal }) => {
    const { proposals } = await client.ask({ t: 'list_proposals', org: principal.org }, 'proposals');
    return json(200, { items: proposals.map(proposalJson) });
  });
}

function showProposalOperation({ client }: PackParts): Operation {
  return implement(operations.showPackProposal, async ({ principal, params }) => {
    const { proposal } = await client.ask({ t: 'show_proposal', org: principal.org, id: params.id }, 'proposal');
    return json(200, { ...proposalJson(proposal), text: unpacked(proposal.text) });
  });
}
