/** The same work for pools: they load a plain function. */
export default (n) => n * 2
