import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';

/** A file of the console as it is served. */
export interface ConsoleFile {
  readonly type: string;
  /** Its name has a hash of what is in it: it never changes. */
  readonly isImmutable: boolean;
  /** `identity` and what was compressed when the console was built. */
  readonly bodies: ReadonlyMap<Encoding, Buffer>;
  readonly etag: string;
}

export type Encoding = 'identity' | 'br' | 'gzip';

const COMPRESSED: Readonly<Record<string, Encoding>> = { '.br': 'br', '.gz': 'gzip' };
const MAX_BYTES = 64 * 1024 * 1024;
/** Where the build puts files whose name has a hash. */
const HASHED = '/assets/';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

/**
 * Reads the console's built files, by the path under which each is served. All are kept in memory: what is not among them cannot be asked
 * for, whatever the path says.
 * @throws Error when the folder cannot be read, has no index.html, or is far too large.
 */
export function readConsoleFiles(folder: string): ReadonlyMap<string, ConsoleFile> {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  if (bytes > MAX_BYTES) throw new Error(`${folder} has ${bytes} bytes; that is no built console`);
  const bodies = new Map(paths.map((path) => [`/${relative(folder, path).split(sep).join('/')}`, readFileSync(path)]));
  if (!bodies.has('/index.html')) throw new Error(`${folder} has no index.html: build the console first`);
  const files = new Map<string, ConsoleFile>();
  for (const [path, body] of bodies) {
    if (extname(path) in COMPRESSED) continue;
    const all = new Map<Encoding, Buffer>([['identity', body]]);
    for (const [extension, encoding] of Object.entries(COMPRESSED)) {
      const compressed = bodies.get(path + extension);
      if (compressed !== undefined) all.set(encoding, compressed);
    }
    files.set(path, {
      type: TYPES[extname(path)] ?? 'application/octet-stream',
      isImmutable: path.startsWith(HASHED),
      bodies: all,
      etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    });
  }
  return files;
}
