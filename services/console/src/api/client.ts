import { ApiClient, type FetchLike } from '@muster/api-client';

/** What tells the server that a call comes from the console's own code, and not from another site by its cookie. */
const FROM_CONSOLE = { 'muster-request': 'console' };

const withHeader: FetchLike = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...FROM_CONSOLE } });

/** The API at the page's own address; the session is in a cookie that scripts cannot see. Works in workers too. */
export const client = new ApiClient({ url: '', fetch: withHeader });
