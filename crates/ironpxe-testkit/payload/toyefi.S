# The toy kernel's sister for UEFI: a PE application that says what it was given.
#
# What it prints on COM1 depends on where it was started from. From iPXE, whose images look to
# UEFI like the files of a disk, it is a kernel and speaks as toykernel.S does,
#
#     IRONPXE-TOY cmdline=[<the load options>] initrd=<size> sum=<byte sum>
#
# and finds its ramdisk as Linux does: the file that `initrd=` in its load options names. From a
# volume with a file LABEL it is that volume's boot loader:
#
#     LOCAL-DISK-BOOT efi label=[<what LABEL holds>]
#
# Then it switches the machine off.
#
# The PE headers are written by hand, and every address is relative to the program counter, so
# that no linker for PE is needed and the file is the same wherever it is assembled.
# toyefi.efi is this file assembled; after a change, from this folder:
#
#     as --64 -o toyefi.o toyefi.S
#     ld -m elf_x86_64 -e 0 -Ttext 0 --oformat binary -o toyefi.efi toyefi.o
#
# The crate's test `payloads_are_what_their_sources_say` does the same and compares.

        .set    COM1, 0x3f8
        .set    LINE_STATUS, COM1 + 5
        .set    TRANSMITTER_EMPTY, 0x20
        .set    BUFFER, 4096

        # Offsets into UEFI's tables.
        .set    SYSTEM_RUNTIME, 88
        .set    SYSTEM_BOOT, 96
        .set    BOOT_HANDLE_PROTOCOL, 152
        .set    RUNTIME_RESET, 104
        .set    IMAGE_DEVICE, 24
        .set    IMAGE_OPTIONS_SIZE, 48
        .set    IMAGE_OPTIONS, 56
        .set    VOLUME_OPEN, 8
        .set    FILE_OPEN, 8
        .set    FILE_READ, 32
        .set    MODE_READ, 1
        .set    RESET_SHUTDOWN, 2

        # Our stack: 32 bytes for those we call and the fifth argument, then what we keep.
        .set    FIFTH, 32
        .set    FILE, 40
        .set    LENGTH, 48
        .set    POINTER, 56
        .set    DATA, 64
        .set    FRAME, DATA + BUFFER + 8        # + 8: the return address leaves it odd

        .text
# ---------------------------------------------------------------- headers
image:  .ascii  "MZ"
        .org    0x3c
        .long   pe
        .org    0x40
pe:     .ascii  "PE\0\0"
        .word   0x8664                  # x86-64
        .word   1                       # sections
        .long   0, 0, 0                 # no time stamp, no symbols
        .word   section - optional
        .word   0x022e                  # executable, stripped, may lie anywhere
optional:
        .word   0x020b                  # PE32+
        .byte   0, 0
        .long   end - code              # size of code
        .long   0, 0                    # no separate data
        .long   entry
        .long   code
        .quad   0                       # no preferred address
        .long   0x200, 0x200            # alignment in memory and in the file: they are alike
        .word   0, 0, 0, 0, 0, 0
        .long   0
        .long   end                     # size of the image
        .long   code                    # size of the headers
        .long   0
        .word   10                      # subsystem: EFI application
        .word   0
        .quad   0, 0, 0, 0
        .long   0
        .long   6                       # data directories, all empty
        .quad   0, 0, 0, 0, 0, 0
section:
        .ascii  ".text\0\0\0"
        .long   end - code, code        # in memory
        .long   end - code, code        # in the file
        .long   0, 0
        .word   0, 0
        .long   0xe0000020              # code; may be read, written and executed

# ---------------------------------------------------------------- what runs
        .org    0x200
code:
entry:  sub     $FRAME, %rsp
        cld
        mov     %rdx, %r13              # R13: the system table
        mov     SYSTEM_BOOT(%rdx), %r14 # R14: boot services

        # RBX: how we were loaded
        lea     loaded_image_protocol(%rip), %rdx
        lea     POINTER(%rsp), %r8
        call    *BOOT_HANDLE_PROTOCOL(%r14)
        mov     POINTER(%rsp), %rbx

        # R12: the root folder of where we came from, or 0
        xor     %r12d, %r12d
        mov     IMAGE_DEVICE(%rbx), %rcx
        test    %rcx, %rcx
        jz      no_volume
        lea     file_system_protocol(%rip), %rdx
        lea     POINTER(%rsp), %r8
        call    *BOOT_HANDLE_PROTOCOL(%r14)
        test    %rax, %rax
        jnz     no_volume
        mov     POINTER(%rsp), %rcx
        lea     FILE(%rsp), %rdx
        call    *VOLUME_OPEN(%rcx)
        test    %rax, %rax
        jnz     no_volume
        mov     FILE(%rsp), %r12
no_volume:

        lea     label_name(%rip), %r8
        call    open
        jnz     kernel

        # A disk's boot loader.
        lea     disk_hello(%rip), %rsi
        call    print
        call    read
        movb    $0, DATA(%rsp,%rax)
        lea     DATA(%rsp), %rsi
        call    print
        lea     disk_goodbye(%rip), %rsi
        call    print
        jmp     off

        # A kernel. The name of the ramdisk is copied on the way, into `name`.
kernel: lea     kernel_hello(%rip), %rsi
        call    print
        mov     IMAGE_OPTIONS(%rbx), %rsi
        mov     IMAGE_OPTIONS_SIZE(%rbx), %ebp
        shr     $1, %ebp                # EBP: characters left
        lea     name(%rip), %rdi
        lea     keyword(%rip), %r15     # R15: what of the keyword must come next; 0: never
option: test    %ebp, %ebp
        jz      options_end
        dec     %ebp
        lodsw
        test    %ax, %ax
        jz      options_end
        push    %rax
        call    put
        pop     %rax
        cmp     $' ', %ax
        je      blank
        test    %r15, %r15
        jz      option
        movzbl  (%r15), %ecx
        test    %cl, %cl
        jz      of_the_name
        inc     %r15
        cmp     %cx, %ax
        je      option
        xor     %r15d, %r15d            # another word: wait for its end
        jmp     option
of_the_name:
        lea     name_end(%rip), %rcx
        cmp     %rcx, %rdi
        jae     option
        stosw
        jmp     option
blank:  lea     keyword(%rip), %r15
        lea     name(%rip), %rcx
        cmp     %rcx, %rdi
        je      option
        xor     %r15d, %r15d            # the first name is the one
        jmp     option
options_end:
        lea     ramdisk_is(%rip), %rsi
        call    print

        xor     %ebp, %ebp              # EBP: the size
        xor     %r15d, %r15d            # R15: the sum
        lea     name(%rip), %r8
        cmpw    $0, (%r8)
        je      summed
        call    open
        jnz     summed
part:   call    read
        test    %rax, %rax
        jz      summed
        add     %eax, %ebp
        lea     DATA(%rsp), %rsi
        mov     %rax, %rcx
next_byte:
        lodsb
        movzbl  %al, %eax
        add     %eax, %r15d
        loop    next_byte
        jmp     part

summed: mov     %ebp, %edi
        call    print_hex
        lea     sum_is(%rip), %rsi
        call    print
        mov     %r15d, %edi
        call    print_hex
        lea     goodbye(%rip), %rsi
        call    print

off:    mov     SYSTEM_RUNTIME(%r13), %rax
        mov     $RESET_SHUTDOWN, %ecx
        xor     %edx, %edx
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        call    *RUNTIME_RESET(%rax)
halt:   hlt
        jmp     halt

# Opens the file whose name R8 points to, in the root folder; not zero: there is none. Like `read`
# it is called, so that our frame is 8 bytes further, and 8 more keep the stack aligned.
open:   test    %r12, %r12
        jz      no_file
        sub     $8, %rsp
        mov     %r12, %rcx
        lea     16 + FILE(%rsp), %rdx
        mov     $MODE_READ, %r9d
        sub     $48, %rsp
        movq    $0, FIFTH(%rsp)
        call    *FILE_OPEN(%rcx)
        add     $56, %rsp
        test    %rax, %rax
        ret
no_file:
        or      $1, %eax
        ret

# Reads on in that file, into DATA; RAX: how many bytes there were.
read:   mov     8 + FILE(%rsp), %rcx
        lea     8 + LENGTH(%rsp), %rdx
        movq    $BUFFER - 8, (%rdx)
        lea     8 + DATA(%rsp), %r8
        sub     $40, %rsp
        call    *FILE_READ(%rcx)
        add     $40, %rsp
        test    %rax, %rax
        mov     $0, %eax
        cmovz   8 + LENGTH(%rsp), %rax
        ret

# RSI points to a text that ends with NUL.
print:  lodsb
        test    %al, %al
        jz      printed
        call    put
        jmp     print
printed:
        ret

# EDI as eight hex digits.
print_hex:
        mov     $8, %ecx
digit:  rol     $4, %edi
        mov     %edi, %eax
        and     $15, %al
        cmp     $10, %al
        jb      decimal
        add     $'a' - '0' - 10, %al
decimal:
        add     $'0', %al
        call    put
        loop    digit
        ret

# The character in AL, once the serial port has room for it.
put:    push    %rax
        mov     $LINE_STATUS, %dx
busy:   in      %dx, %al
        test    $TRANSMITTER_EMPTY, %al
        jz      busy
        mov     $COM1, %dx
        pop     %rax
        out     %al, %dx
        ret

        .balign 8
loaded_image_protocol:
        .long   0x5b1b31a1
        .word   0x9562, 0x11d2
        .byte   0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b
file_system_protocol:
        .long   0x964e5b22
        .word   0x6459, 0x11d2
        .byte   0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b
label_name:
        .word   'L', 'A', 'B', 'E', 'L', 0
name:           .fill   63, 2, 0
name_end:       .word   0
keyword:        .asciz  "initrd="
kernel_hello:   .asciz  "\r\nIRONPXE-TOY cmdline=["
ramdisk_is:     .asciz  "] initrd="
sum_is:         .asciz  " sum="
goodbye:        .asciz  "\r\n"
disk_hello:     .asciz  "\r\nLOCAL-DISK-BOOT efi label=["
disk_goodbye:   .asciz  "]\r\n"

        .balign 0x200
end:
