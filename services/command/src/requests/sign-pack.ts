import { roleAllows } from '@muster/identity';
import type { CommandCaller, CommandReply, CommandRequest } from '@muster/messages';
import { AppError, PACK_PROPOSAL_MS, packProposalSchema, type OrgId, type PackProposal } from '@muster/protocol';
import type { CommandKeys } from '../signing/command-keys.js';
import type { Policy } from './approval-policy.js';
import { isSamePerson } from './check-approval.js';

export interface SignPackContext {
  readonly keys: Pick<CommandKeys, 'signPack' | 'signProposal' | 'openProposal'>;
  readonly policy: Policy;
  readonly nowMs: number;
}

type SignPack = CommandRequest & { readonly t: 'sign_pack' };

const WHY = 'the policy asks for a second person where packs are applied';

/**
 * Vouches for a pack in the name of an admin. The request is sealed as those for commands are: access to the broker is
 * not enough to have endpoints run checks. Where the policy asks for a second person, the first request has what it
 * proposes signed, and is kept nowhere here: who brings that back must be another admin. No service in between can say
 * who proposed it, or put another text in its place.
 * @throws AppError `forbidden`, `bad_request`, `self_approval`, `conflict`
 */
export function signPack(request: SignPack, context: SignPackContext): CommandReply {
  const { org, caller, pack, proposal } = request;
  checkAdmin(caller);
  if (proposal !== undefined) return signApproved(request, proposal, context);
  const { policy, keys, nowMs } = context;
  if (policy.packs?.approval === true) return propose(request, context);
  const { id, name } = caller;
  return { t: 'pack_signed', ...keys.signPack({ ...claimsOf(org, pack, nowMs), operator: { id, name } }) };
}

function checkAdmin({ name, role, bound }: CommandCaller): void {
  if (!roleAllows(role, 'packs:apply'))
    throw new AppError('forbidden', `applying packs needs the role admin, and ${name} is ${role}`);
  if (bound !== '')
    throw new AppError('forbidden', 'a pack is for all endpoints of the org, and a selector bounds this credential');
}

function claimsOf(org: OrgId, pack: SignPack['pack'], nowMs: number) {
  return { iss: 'muster' as const, org, ...pack, iat: Math.floor(nowMs / 1_000) };
}

function propose({ org, caller, pack, digest }: SignPack, { policy, keys, nowMs }: SignPackContext): CommandReply {
  const { id, name, person, origin } = caller;
  const operator = {
    ...{ id, name },
    ...(person === undefined ? {} : { person }),
    ...(origin === undefined ? {} : { origin }),
  };
  const independent = policy.packs?.independent === true;
  const claims = packProposalSchema.safeParse({ ...claimsOf(org, pack, nowMs), operator, independent, digest });
  if (claims.success) return { t: 'pack_waits', proposal: keys.signProposal(claims.data), why: WHY };
  const [issue] = claims.error.issues;
  throw new AppError('bad_request', `the pack cannot be proposed: ${issue?.path.join('.')}: ${issue?.message}`);
}

function signApproved(request: SignPack, jws: string, { policy, keys, nowMs }: SignPackContext): CommandReply {
  const { org, caller, pack } = request;
  const proposal = keys.openProposal(jws);
  if (proposal === undefined || !isOf(proposal, request))
    throw new AppError('conflict', `${pack.pack} ${pack.version} is not what was proposed; have it applied again`);
  if (nowMs - proposal.iat * 1_000 > PACK_PROPOSAL_MS)
    throw new AppError('conflict', `${pack.pack} ${pack.version} was not approved in time; have it applied again`);
  const independent = proposal.independent || policy.packs?.independent === true;
  const { operator } = proposal;
  const { id, name, person, origin } = operator;
  const standing = {
    ...(person === undefined ? {} : { person }),
    ...(origin === undefined ? {} : { origin }),
  };
  if (isSamePerson(caller, { id, name, ...standing }, { independent }))
    throw new AppError(
      'self_approval',
      `the pack ${pack.pack} was proposed by you, or with credentials that count as yours; another admin must approve it`,
      { details: { id: pack.pack } },
    );
  const proposer = { id, name };
  const approver = { id: caller.id, name: caller.name };
  const signed = keys.signPack({ ...claimsOf(org, pack, nowMs), operator: proposer, approver });
  return { t: 'pack_signed', ...signed, proposer };
}

function isOf(proposal: PackProposal, { org, pack, digest }: SignPack): boolean {
  return (
    proposal.org === org &&
    proposal.pack === pack.pack &&
    proposal.version === pack.version &&
    proposal.hash === pack.hash &&
    proposal.checks === pack.checks &&
    proposal.digest === digest
  );
}
