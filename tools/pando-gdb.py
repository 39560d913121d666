"""gdb commands for pando's fibers, in live processes and core files.

    (gdb) source tools/pando-gdb.py
    (gdb) info fibers            every fiber of every loop: state, name, where it waits
    (gdb) fiber 3                makes fiber 3 the context of bt, up, info locals, ... (live processes)
    (gdb) fiber 0                back to where the thread really is

Numbers are those of `info fibers`. A fiber that runs is the thread itself. In a core file registers cannot
be set: `fiber N` prints the chain of frame pointers instead.
"""
import gdb

STATES = ["free", "ready", "running", "parked", "done"]
SLOTS = 64
COLOURS = 16
# What pd_switch leaves at a sleeping fiber's sp, lowest first (switch_x86_64.S, switch_aarch64.S).
FRAMES = {
    "i386:x86-64": (["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"], 56, "rsp", "rbp", "rip"),
    "aarch64": (["x%d" % n for n in range(19, 31)], 160, "sp", "x29", "x30"),
}
saved = None


def pointer(value):
    return int(value.cast(gdb.lookup_type("unsigned long")))


def loops():
    """The loop of each thread, through its thread-local pd_run_loop."""
    found, here = {}, gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            loop = gdb.parse_and_eval("pd_run_loop")
            if pointer(loop):
                found[pointer(loop)] = (thread, loop)
        except gdb.error:
            continue
    if here:
        here.switch()
    return list(found.values())


def fibers():
    """Yields (thread, loop, fiber) for each that is not free; the layout is pd_run_slot_fiber's."""
    fiber_type = gdb.lookup_type("struct pd_fiber")
    size = (fiber_type.sizeof + 63) & ~63
    for thread, loop in loops():
        for s in range(int(loop["nslabs"])):
            slab = loop["slabs"][s]
            base, slot = pointer(slab["base"]), int(slab["slot_bytes"])
            for i in range(int(slab["used"])):
                at = base + (i + 1) * slot - size - i % COLOURS * 64
                fiber = gdb.Value(at).cast(fiber_type.pointer())
                if int(fiber["state"]) != 0:
                    yield thread, loop, fiber


def word(address):
    return pointer(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def registers(fiber):
    """What the fiber's registers will be when it is resumed."""
    names, size, sp_name, _, _ = layout()
    sp = pointer(fiber["sp"])
    values = {name: word(sp + 8 * n) for n, name in enumerate(names)}
    values[sp_name] = sp + size
    return values


def layout():
    name = gdb.selected_frame().architecture().name()
    if name not in FRAMES:
        raise gdb.GdbError("no register layout for %s" % name)
    return FRAMES[name]


def place(address):
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(address)
    where = block.function.name if block else "%#x" % address
    return "%s at %s:%d" % (where, line.symtab.filename, line.line) if line.symtab else where


def chain(fiber):
    """Return addresses of a sleeping fiber, innermost first, by frame pointers."""
    _, _, _, fp_name, pc_name = layout()
    regs = registers(fiber)
    yield regs[pc_name]
    fp, low, high = regs[fp_name], pointer(fiber["stack_low"]), pointer(fiber)
    while low <= fp < high:
        yield word(fp + 8)
        fp = word(fp)


def waits_in(fiber):
    """The innermost frame that is not the scheduler's own."""
    for address in chain(fiber):
        text = place(address - 1)
        if "src/run/" not in text:
            return text
    return "not started"


class InfoFibers(gdb.Command):
    """List all fibers of all loops."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for number, (thread, loop, fiber) in enumerate(fibers(), 1):
            state = STATES[int(fiber["state"])]
            where = "thread %d" % thread.num if state == "running" else waits_in(fiber)
            flags = " canceled" if fiber["canceled"] else ""
            print("%4d  %-8s%s %-20s %s  [%s]" % (number, state, flags, fiber["name"].string(), where,
                                                loop["name"].string()))


class Fiber(gdb.Command):
    """Select a fiber for bt and friends: fiber N; fiber 0 goes back."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        global saved
        number = int(argument or 0)
        if saved:
            self.load(saved)
            saved = None
        if number == 0:
            return
        every = list(fibers())
        if not 1 <= number <= len(every):
            raise gdb.GdbError("there are fibers 1 to %d" % len(every))
        thread, _, fiber = every[number - 1]
        thread.switch()
        gdb.execute("frame 0", to_string=True)
        if STATES[int(fiber["state"])] == "running":
            return
        regs = registers(fiber)
        try:
            now = {name: pointer(gdb.parse_and_eval("$" + name)) for name in self.settable(regs)}
            self.load(self.settable(regs))
            saved = now
        except gdb.error:  # a core file
            for n, address in enumerate(chain(fiber)):
                print("#%-2d %#x in %s" % (n, address, place(address - 1)))

    @staticmethod
    def settable(regs):
        """aarch64 resumes at its link register."""
        return {**regs, "pc": regs["x30"]} if "x30" in regs else regs

    @staticmethod
    def load(regs):
        for name, value in regs.items():
            gdb.execute("set $%s = %d" % (name, value), to_string=True)


InfoFibers()
Fiber()
