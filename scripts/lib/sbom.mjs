// Bills of materials in CycloneDX 1.5: which crates and npm packages are inside the npm package, and inside the server. Read
// from the lock files and from what cargo knows; the same sources give the same bytes, with no time and no random number.
import { readFileSync } from "node:fs";
import { lockedCrates } from "./cargo-lock.mjs";
import { at } from "./paths.mjs";
import { run } from "./run.mjs";

/** Each product: which crates are in it, for which machine, and what of npm is bundled into it. */
const PRODUCTS = {
  npm: {
    file: "peerloom-npm.cdx.json",
    crate: "peerloom",
    flags: ["--no-default-features", "--features", "npm"],
    machine: "wasm32-unknown-unknown",
    purl: "npm",
    type: "library",
    workspace: "sdk",
    // In `ed25519.js` and `passphrase.js`.
    bundled: ["@noble/curves", "@noble/ed25519", "@noble/hashes"],
  },
  server: {
    file: "peerloom-signaling.cdx.json",
    crate: "peerloom-signaling",
    flags: [],
    machine: "x86_64-unknown-linux-gnu",
    purl: "cargo",
    type: "application",
    // The demo is embedded in it.
    workspace: "www",
  },
};

const byName = (a, b) => (a.ref < b.ref ? -1 : a.ref > b.ref ? 1 : 0);
const json = (path) => JSON.parse(readFileSync(at(path), "utf8"));

/** SHA-256 of each crate from the registry, by `name@version`. */
const checksums = () =>
  new Map(lockedCrates("Cargo.lock").map(({ name, version, checksum }) => [`${name}@${version}`, checksum]));

/** The crates that are compiled into a product, macros and build scripts left out, each with what it needs of the others. */
async function crates({ crate, flags, machine }) {
  const tree = ["tree", "--locked", "--package", crate, ...flags, "--target", machine];
  const edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
  const lines = (await run("cargo", [...tree, ...edges], { show: "never" })).split("\n");
  const inside = new Set(
    lines
      .map((line) => /^(\S+) v(\S+)/.exec(line))
      .flatMap((found) => (found ? `${found[1]}@${found[2]}` : [])),
  );
  const known = await run(
    "cargo",
    ["metadata", "--locked", "--format-version", "1", "--filter-platform", machine],
    {
      show: "never",
    },
  );
  const { packages, resolve } = JSON.parse(known.slice(known.indexOf("{")));
  const refOf = new Map(packages.map(({ id, name, version }) => [id, `${name}@${version}`]));
  const needs = new Map(
    resolve.nodes.map(({ id, deps }) => [
      refOf.get(id),
      deps
        .filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null))
        .map(({ pkg }) => refOf.get(pkg))
        .filter((ref) => inside.has(ref)),
    ]),
  );
  const sums = checksums();
  return packages
    .filter(({ name, version }) => inside.has(`${name}@${version}`))
    .map(({ name, version, license, source }) => ({
      ref: `pkg:cargo/${name}@${version}`,
      name,
      version,
      // Old manifests have a slash for "or".
      license: license?.replaceAll("/", " OR "),
      hash: { alg: "SHA-256", content: sums.get(`${name}@${version}`) },
      ours: source === null,
      needs: needs.get(`${name}@${version}`).map((ref) => `pkg:cargo/${ref}`),
    }));
}

/** The npm packages that a workspace of ours bundles, without what only builds. What is inside ours has a bill of its own. */
function npmPackages(workspace, bundled = []) {
  const { packages } = json("package-lock.json");
  const found = new Map();
  const add = (name) => {
    const listed = packages[`node_modules/${name}`];
    const ours = listed.link === true;
    const entry = ours ? packages[listed.resolved] : listed;
    const ref = `pkg:npm/${name}@${entry.version}`;
    if (!found.has(ref)) {
      const [, alg, sum] = /^(sha512)-(.*)$/.exec(entry.integrity ?? "") ?? [];
      const content = alg && Buffer.from(sum, "base64").toString("hex");
      const { version, license } = entry;
      found.set(ref, { ref, name, version, license, hash: { alg: "SHA-512", content }, ours, needs: [] });
      found.get(ref).needs = Object.keys(entry.dependencies ?? {}).flatMap(add);
    }
    return [ref];
  };
  const top = [...Object.keys(packages[workspace].dependencies ?? {}), ...bundled].flatMap(add);
  return { top, all: [...found.values()] };
}

/**
 * The bill of one product, and what is wrong with it: everything from outside has a licence and a checksum.
 *
 * @returns {Promise<{file: string, text: string, faults: string[]}>}
 */
async function bill({ file, crate, flags, machine, purl, type, workspace, bundled }) {
  const rust = await crates({ crate, flags, machine });
  const npm = npmPackages(workspace, bundled);
  const all = [...rust, ...npm.all].sort(byName);
  const root = rust.find(({ name }) => name === crate);
  const faults = all.flatMap(({ ref, license, hash, ours }) => [
    ...(license ? [] : [`${file}: ${ref} names no licence`]),
    ...(ours || hash.content ? [] : [`${file}: ${ref} has no checksum`]),
  ]);
  const component = ({ ref, name, version, license, hash }) => ({
    type: "library",
    "bom-ref": ref,
    name,
    version,
    ...(hash.content && { hashes: [hash] }),
    licenses: [{ expression: license }],
    purl: ref.replace("pkg:npm/@", "pkg:npm/%40"),
  });
  const self = `pkg:${purl}/${crate}@${root.version}`;
  const needs = ({ ref, needs }) => ({ ref, dependsOn: [...new Set(needs)].sort() });
  const others = all.filter((one) => one !== root);
  const text = {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type,
        "bom-ref": self,
        name: crate,
        version: root.version,
        licenses: [{ expression: root.license }],
        purl: self,
        properties: [{ name: "peerloom:machine", value: machine }],
      },
    },
    components: others.map(component),
    dependencies: [
      { ...needs({ ...root, needs: [...root.needs, ...npm.top] }), ref: self },
      ...others.map(needs),
    ],
  };
  return { file, text: `${JSON.stringify(text, null, 2)}\n`, faults };
}

/** The bills of all products. */
export async function bills() {
  const all = [];
  for (const product of Object.values(PRODUCTS)) all.push(await bill(product));
  return all;
}
