import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';

export interface BrowserReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // Tests read any member.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface BrowserRequest {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the browser says of who asks; the console itself unless given. */
  readonly site?: string | null;
  /** Without the header by which the console marks its calls. */
  readonly isUnmarked?: true;
}

/** As much of a browser as signing in needs: cookies, and what it says of who asks. */
export class Browser {
  readonly cookies = new Map<string, string>();
  readonly port: number;
  readonly #host: string;

  /** `host` is what the address bar has; requests go to 127.0.0.1. */
  constructor(port: number, host = `127.0.0.1:${port}`) {
    this.port = port;
    this.#host = host;
  }

  /** Another browser with the same cookies, as somebody has who stole them. */
  copy(port: number = this.port): Browser {
    const copied = new Browser(port, this.#host.replace(`${this.port}`, `${port}`));
    for (const [name, value] of this.cookies) copied.cookies.set(name.replace(`${this.port}`, `${port}`), value);
    return copied;
  }

  async ask(method: string, path: string, options: BrowserRequest = {}): Promise<BrowserReply> {
    const { body, site = 'same-origin', isUnmarked } = options;
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = {
      ...{ host: this.#host, accept: 'application/json' },
      ...(cookie === '' ? {} : { cookie }),
      ...(site === null ? {} : { 'sec-fetch-site': site }),
      ...(isUnmarked === true ? {} : { 'muster-request': 'console' }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const reply = await send({ host: '127.0.0.1', port: this.port, method, path, headers }, body);
    for (const line of reply.headers['set-cookie'] ?? []) this.#take(line);
    return reply;
  }

  #take(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

function send(options: RequestOptions, body: unknown): Promise<BrowserReply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ ...options, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject).on('end', () => {
        const isJson = String(response.headers['content-type']).includes('json') && text !== '';
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: isJson ? JSON.parse(text) : undefined,
        });
      });
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
