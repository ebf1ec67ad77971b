import { BOOTSTRAP, subjectPerson, tokenIdOf, tokenPerson, UNKNOWN_ORIGIN, type Standing } from '@muster/identity';
import type { OperatorTokenRecord } from '@muster/records';

/** Longer lines of makers end as unknown. */
const MAX_MAKERS = 64;

/** Who stands behind a token: follows the line of those who made it. `find` returns the record of a token's id. */
export function standingOf(
  token: OperatorTokenRecord,
  find: (tokenId: string) => OperatorTokenRecord | undefined,
): Standing {
  let made = token;
  for (let i = 0; i < MAX_MAKERS; i += 1) {
    const creator = creatorOf(made);
    if (creator === BOOTSTRAP) return { person: tokenPerson(made.tokenId), origin: BOOTSTRAP };
    const makerId = tokenIdOf(creator);
    if (makerId === undefined) return { person: creator, origin: creator };
    const maker = find(makerId);
    if (maker?.org !== token.org) return { person: creator, origin: UNKNOWN_ORIGIN };
    made = maker;
  }
  return { person: tokenPerson(made.tokenId), origin: UNKNOWN_ORIGIN };
}

/** Old records have only the id of who made them: of a token, of the bootstrap token, or of a subject whose issuer was not kept. */
function creatorOf({ creator, createdBy }: OperatorTokenRecord): string {
  if (creator !== undefined) return creator;
  if (createdBy === BOOTSTRAP) return BOOTSTRAP;
  return /^[a-z2-7]{16}$/.test(createdBy) ? tokenPerson(createdBy) : subjectPerson('', createdBy);
}
