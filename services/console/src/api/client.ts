import {
  ApiClient,
  ApiProblem,
  nothingDone,
  type Answer,
  type CallOptions,
  type Endpoint,
  type FetchLike,
  type Given,
} from '@muster/api-client';

/** What tells the server that a call comes from the console's own code, and not from another site by its cookie. */
const FROM_CONSOLE = { 'muster-request': 'console' };

const withHeader: FetchLike = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...FROM_CONSOLE } });

/** As `PERSON_HEADER` of the contract: whose session a call is meant for. */
const PERSON_HEADER = 'muster-person';
/** The call that finds out who is signed in. */
const WHO = 'GET /v1/me' satisfies Endpoint;

/** The same for all attempts of a call, whoever signs in between them. */
function withPerson<G extends readonly unknown[]>(given: G, person: string | undefined): G {
  if (person === undefined) return given;
  const [input = {}] = given as readonly unknown[] as readonly [{ readonly headers?: object }?];
  return [{ ...input, headers: { ...input.headers, [PERSON_HEADER]: person } }] as unknown as G;
}

/** Asks the person who sits there to sign in again. */
interface Asker {
  /** Who sits there now, as the header names them; `undefined` while nobody knows. */
  person(): string | undefined;
  /** Waits until they have signed in again, or not, or somebody else has. */
  wait(by: string | undefined): Promise<'signed_in' | 'given_up' | 'other'>;
}

/** What was not done, because it was somebody else's. */
export class OtherPersonError extends Error {
  override readonly name = 'OtherPersonError';
}

/**
 * Whether a call surely had no effect. Where it may have had one although it failed, it is sent again as it was, with the
 * same key.
 */
export function wasNotDone(error: unknown): boolean {
  return error instanceof OtherPersonError || nothingDone(error);
}

const OTHER_PERSON =
  'Somebody else has signed in in this browser: nothing was sent. Look at it again before you send it.';

class ConsoleClient extends ApiClient {
  /** Nobody sits before a worker: there such a call fails. */
  asker: Asker | undefined;

  /** A call that needs a recent sign-in waits for one of the person who made it, and is then made again as it was. */
  override async call<E extends Endpoint>(endpoint: E, ...given: Given<E, CallOptions>): Promise<Answer<E>> {
    // Before the call: until it is answered somebody else may have signed in.
    const by = this.asker?.person();
    const sent = endpoint === WHO ? given : withPerson(given, by);
    try {
      return await super.call(endpoint, ...sent);
    } catch (error) {
      if (error instanceof ApiProblem && error.code === 'other_person')
        throw new OtherPersonError(OTHER_PERSON, { cause: error });
      const isTooOld = error instanceof ApiProblem && error.code === 'reauthentication_required';
      const outcome = isTooOld ? await this.asker?.wait(by) : undefined;
      if (outcome === 'other') throw new OtherPersonError(OTHER_PERSON, { cause: error });
      if (outcome !== 'signed_in') throw error;
      return await super.call(endpoint, ...sent);
    }
  }
}

/** The API at the page's own address; the session is in a cookie that scripts cannot see. Works in workers too. */
export const client = new ConsoleClient({ url: '', fetch: withHeader });
