/**
 * What can go wrong with memory that several processes map. Each error names what was wanted and what was found; files that are
 * refused are not changed.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * This process cannot map memory. Everything within one process works without it.
 *
 * **Details**: `platform` is another system or processor; `koffi` a package that is missing or has no binary for this one; `refused`
 * a kernel that does not allow it.
 *
 * @category errors
 * @since 0.1.0
 */
export class MappingUnavailable extends Schema.TaggedError<MappingUnavailable>()("MappingUnavailable", {
  reason: Schema.Literals(["platform", "koffi", "refused"]),
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `memory cannot be shared with other processes here: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * An option or an argument that cannot be. Nothing was touched.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidSpace extends Schema.TaggedError<InvalidSpace>()("InvalidSpace", {
  field: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.field}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A file, or the directory it is in, is not what it has to be: somebody else's, of another version, truncated, left over.
 *
 * @category errors
 * @since 0.1.0
 */
export class FileRefused extends Schema.TaggedError<FileRefused>()("FileRefused", {
  path: Schema.String,
  differs: Schema.Literals([
    "directory",
    "permission",
    "kind",
    "size",
    "magic",
    "version",
    "shape",
    "number of participants",
    "boot",
    "owner",
    "space",
    "serial",
    "space left",
    "memory left"
  ]),
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.path} is refused, its ${this.differs} differs: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * The space has an owner, who is alive.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpaceTaken extends Schema.TaggedError<SpaceTaken>()("SpaceTaken", {
  path: Schema.String,
  /** 0 if it has not said so yet. */
  pid: Schema.Finite
}) {
  override get message(): string {
    return `${this.path} is owned by process ${this.pid === 0 ? "(starting)" : this.pid}, which is alive`
  }
}

/**
 * No space, or no region, within the time for attaching.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", {
  path: Schema.String,
  wanted: Schema.String,
  waitedMillis: Schema.Finite
}) {
  override get message(): string {
    return `${this.path}: wanted ${this.wanted}, found none within ${this.waitedMillis} ms`
  }
}

/**
 * A table of the space is full.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpaceFull extends Schema.TaggedError<SpaceFull>()("SpaceFull", {
  path: Schema.String,
  what: Schema.Literals(["participants", "regions", "owners", "lives"]),
  limit: Schema.Finite,
  /** Participants that are dead and not recovered from all their regions; their places are taken until then. */
  dead: Schema.Finite
}) {
  override get message(): string {
    const dead = this.dead === 0 ? "" : `; ${this.dead} of them dead and not recovered yet`
    return `${this.path}: wanted one more of its ${this.what}, found ${this.limit} in use${dead}`
  }
}

/**
 * A region of that name exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegionTaken extends Schema.TaggedError<RegionTaken>()("RegionTaken", {
  path: Schema.String,
  region: Schema.String
}) {
  override get message(): string {
    return `${this.path}: wanted a new region ${JSON.stringify(this.region)}, found one of that name; open it`
  }
}

/**
 * Memory that is no region of this space, or not any more.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotARegion extends Schema.TaggedError<NotARegion>()("NotARegion", {
  path: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.path}: wanted memory of one of its regions, found ${this.found}`
  }
}

/**
 * Another process holds the space's mutex and does not give it back: it is stopped, perhaps.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpaceBusy extends Schema.TaggedError<SpaceBusy>()("SpaceBusy", {
  path: Schema.String,
  waitedMillis: Schema.Finite
}) {
  override get message(): string {
    return `${this.path}: another process has held its mutex for ${this.waitedMillis} ms`
  }
}

/**
 * The system did not map what was there: no addresses left (`RangeError`), too many mappings, a lock that cannot be had.
 *
 * @category errors
 * @since 0.1.0
 */
export class MappingFailed extends Schema.TaggedError<MappingFailed>()("MappingFailed", {
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found}`
  }
}
