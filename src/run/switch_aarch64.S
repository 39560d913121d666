/* switch_aarch64.S - see switch.h. AAPCS64 §6.1: x19-x28, the frame pointer x29, the link register
 * x30, the low halves of v8-v15 and sp belong to the caller. A sleeping context is these twenty
 * registers at the low end of its own stack.
 */
        .text

        .globl  pd_switch
        .hidden pd_switch
        .type   pd_switch, %function
        .p2align 4
pd_switch:
        .cfi_startproc
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        ret
        .cfi_endproc
        .size   pd_switch, . - pd_switch

/* The frame below every fiber. x30 is undefined here, so that backtraces end. */
        .type   switch_entry, %function
        .p2align 4
switch_entry:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   switch_entry, . - switch_entry

/* pd_switch_init(low x0, top x1, entry x2, arg x3) */
        .globl  pd_switch_init
        .hidden pd_switch_init
        .type   pd_switch_init, %function
        .p2align 4
pd_switch_init:
        .cfi_startproc
        sub     x0, x1, #160
        stp     x3, x2, [x0, #0]        /* x19 = arg, x20 = entry */
        stp     xzr, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        adr     x9, switch_entry
        stp     xzr, x9, [x0, #80]      /* x29 = 0 ends chains of frame pointers */
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        ret
        .cfi_endproc
        .size   pd_switch_init, . - pd_switch_init

        .section .note.GNU-stack, "", %progbits
