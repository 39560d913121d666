/* switch_x86_64.S - see switch.h. System V ABI for x86-64, figure 3.4: rbx, rbp, r12-r15 and rsp
 * belong to the caller. A sleeping context is its six registers and the return address on its own
 * stack; both sides of a switch have the same shape, so the CFI stays true while rsp changes hands.
 * The jump at the end is indirect rather than a ret: a ret would always be predicted to the wrong
 * place, since the return stack of the processor knows the other context's calls.
 */
        .text

        .globl  pd_switch
        .hidden pd_switch
        .type   pd_switch, @function
        .p2align 4
pd_switch:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        jmp     *%rcx
        .cfi_endproc
        .size   pd_switch, . - pd_switch

/* The frame below every fiber. rip is undefined here, so that backtraces end. */
        .type   switch_entry, @function
        .p2align 4
switch_entry:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %r12, %rdi
        call    *%r13
        ud2
        .cfi_endproc
        .size   switch_entry, . - switch_entry

/* pd_switch_init(low rdi, top rsi, entry rdx, arg rcx): writes the frame that pd_switch pops. After the
 * last pop rsp is top, aligned as the ABI wants it before a call. */
        .globl  pd_switch_init
        .hidden pd_switch_init
        .type   pd_switch_init, @function
        .p2align 4
pd_switch_init:
        .cfi_startproc
        leaq    -56(%rsi), %rax
        movq    $0, 0(%rax)             /* r15 */
        movq    $0, 8(%rax)             /* r14 */
        movq    %rdx, 16(%rax)          /* r13 = entry */
        movq    %rcx, 24(%rax)          /* r12 = arg */
        movq    $0, 32(%rax)            /* rbx */
        movq    $0, 40(%rax)            /* rbp: ends chains of frame pointers */
        leaq    switch_entry(%rip), %rdx
        movq    %rdx, 48(%rax)
        ret
        .cfi_endproc
        .size   pd_switch_init, . - pd_switch_init

        .section .note.GNU-stack, "", @progbits
