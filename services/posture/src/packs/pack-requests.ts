import type { ChangeTerms, PackRequest, PackSummary, PostureReply, ProposalSummary, StorePack } from '@muster/messages';
import { AppError, type OrgId } from '@muster/protocol';
import type { PackRecord, ProposedPack } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { PackCompiler } from './pack-compiler.js';
import type { PackLibrary } from './pack-library.js';

export interface PackRequestsOptions {
  readonly packs: PackLibrary;
  readonly compiler: Pick<PackCompiler, 'compile'>;
  /** Names of the schedules that run a pack. */
  readonly schedulesOf: (org: OrgId, pack: string) => readonly string[];
  readonly clock: Clock;
}

/** A pack and its record in one message of the broker. */
const RECORD_BYTES = 900 * 1024;
const NAMED = 5;

/** What the API may ask about packs. Who may do it, the API has looked at. */
export class PackRequests {
  readonly #options: PackRequestsOptions;

  constructor(options: PackRequestsOptions) {
    this.#options = options;
  }

  /** @throws AppError, StreamError */
  async handle(request: PackRequest & ChangeTerms): Promise<PostureReply> {
    const { packs, clock } = this.#options;
    const { org } = request;
    switch (request.t) {
      case 'store_pack':
        return { t: 'pack', pack: summaryOf(await this.#store(request)) };
      case 'propose_pack':
        return { t: 'proposals', proposals: [proposalOf(await this.#propose(request))] };
      case 'list_proposals':
        return { t: 'proposals', proposals: packs.proposals(org, clock.now()).map(proposalOf) };
      case 'show_proposal': {
        const proposal = packs.proposals(org, clock.now()).find(({ id }) => id === request.id);
        if (proposal === undefined) throw new AppError('not_found', `no version of ${request.id} waits for approval`);
        return { t: 'proposal', proposal };
      }
      case 'reject_proposal': {
        const { id, digest, by } = request;
        const rejected = { as: 'rejected' as const, by, atMs: clock.now(), ...changeOf(request) };
        const proposal = await packs.decide({ org, id, digest }, rejected);
        return { t: 'proposal_rejected', proposal: proposalOf(proposal) };
      }
      case 'list_packs':
        return { t: 'packs', packs: packs.list(org).map(summaryOf) };
      case 'show_pack': {
        const record = await this.#version(request);
        return { t: 'pack', pack: summaryOf(record), text: record.text };
      }
      case 'remove_pack':
        return this.#remove(request);
    }
  }

  /** What a schedule runs is not removed: it would fail at each of its moments, and nobody would look. */
  async #remove(request: PackRequest & ChangeTerms & { readonly t: 'remove_pack' }): Promise<PostureReply> {
    const { org, id, by } = request;
    const { packs, schedulesOf, clock } = this.#options;
    const names = schedulesOf(org, id);
    if (names.length > 0 && packs.isApplied(org, id)) {
      const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
      const which = `${names.slice(0, NAMED).join(', ')}${more}`;
      throw new AppError('conflict', `schedules run ${id}: ${which}; delete them first`);
    }
    const { version } = await packs.remove(org, id, { by, atMs: clock.now(), ...changeOf(request) });
    return { t: 'pack_removed', version };
  }

  /** The checks must be those that were signed: what endpoints get is made here again, of the text. */
  #store(request: StorePack & ChangeTerms): Promise<PackRecord> {
    const { org, by, approvedBy, text, hash, jws, keys } = request;
    const { packs, clock } = this.#options;
    const { pack, bytes, digest } = this.#compiled(text, hash, jws.length + keys.length);
    const record: PackRecord = {
      ...{ org, ...pack, hash, jws, keys, text, bytes, by, atMs: clock.now(), ...changeOf(request) },
    };
    return approvedBy === undefined ? packs.store(record) : packs.approve({ ...record, approvedBy }, digest);
  }

  /** It is compiled now, so that nobody approves what cannot be applied. */
  #propose(request: PackRequest & ChangeTerms & { readonly t: 'propose_pack' }): Promise<ProposedPack> {
    const { org, by, text, hash, proposal, why } = request;
    const { packs, clock } = this.#options;
    const { pack, digest } = this.#compiled(text, hash, proposal.length);
    const record = { org, ...pack, hash, text, by, proposal, digest, why, atMs: clock.now() };
    return packs.propose({ ...record, ...changeOf(request) });
  }

  #compiled(text: Uint8Array, hash: string, signed: number) {
    const { pack, encoded, digest } = this.#options.compiler.compile(text);
    if (encoded.hash !== hash)
      throw new AppError(
        'conflict',
        'API and posture service encode the checks differently: they are of other versions',
      );
    const { bytes } = encoded;
    if (text.length + bytes.length + signed > RECORD_BYTES)
      throw new AppError('too_large', `the pack ${pack.id} takes more than ${RECORD_BYTES} bytes: divide it`);
    const { id, version, title, checks } = pack;
    return { pack: { id, version, title, checks: checks.length }, bytes, digest };
  }

  async #version({ org, id, hash }: PackRequest & { readonly t: 'show_pack' }): Promise<PackRecord> {
    const { packs } = this.#options;
    const record = hash === undefined ? packs.find(org, id) : await packs.version(org, id, hash);
    if (record === undefined) throw new AppError('not_found', `that version of the pack ${id} is not kept any more`);
    return record;
  }
}

const changeOf = ({ changeId }: ChangeTerms): ChangeTerms => (changeId === undefined ? {} : { changeId });

function summaryOf({ text: _text, bytes: _bytes, jws: _jws, keys: _keys, ...summary }: PackRecord): PackSummary {
  return summary;
}

function proposalOf({ text: _text, proposal: _proposal, ...summary }: ProposedPack): ProposalSummary {
  return summary;
}
