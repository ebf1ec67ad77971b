import {
  ApiClient,
  ApiProblem,
  type Answer,
  type CallOptions,
  type Endpoint,
  type FetchLike,
  type Given,
} from '@muster/api-client';

/** What tells the server that a call comes from the console's own code, and not from another site by its cookie. */
const FROM_CONSOLE = { 'muster-request': 'console' };

const withHeader: FetchLike = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...FROM_CONSOLE } });

/** Asks the person who sits there to sign in again, and says whether they have. */
type Asker = () => Promise<boolean>;

class ConsoleClient extends ApiClient {
  /** Nobody sits before a worker: there such a call fails. */
  asker: Asker | undefined;

  /** A call that needs a recent sign-in waits for one, and is then made again as it was. */
  override async call<E extends Endpoint>(endpoint: E, ...given: Given<E, CallOptions>): Promise<Answer<E>> {
    try {
      return await super.call(endpoint, ...given);
    } catch (error) {
      const isTooOld = error instanceof ApiProblem && error.code === 'reauthentication_required';
      if (!isTooOld || (await this.asker?.()) !== true) throw error;
      return await super.call(endpoint, ...given);
    }
  }
}

/** The API at the page's own address; the session is in a cookie that scripts cannot see. Works in workers too. */
export const client = new ConsoleClient({ url: '', fetch: withHeader });
