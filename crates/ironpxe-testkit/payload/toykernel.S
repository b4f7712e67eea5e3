# The smallest "Linux kernel" a real iPXE will boot.
#
# It is a bzImage of boot protocol 2.06 whose real-mode half does all the work and whose
# protected-mode half is never entered. On COM1 it prints one line,
#
#     IRONPXE-TOY cmdline=[<the exact kernel command line>] initrd=<size> sum=<byte sum>
#
# (both numbers as eight hex digits), and switches the machine off through ACPI.
# So a test sees in well under a second, and without a Linux, exactly what the firmware was
# told to boot and whether every byte of the ramdisk arrived.
#
# toykernel.bin is this file assembled; it is committed so that nobody needs binutils.
# After a change, from this folder:
#
#     as --32 -o toykernel.o toykernel.S
#     ld -m elf_i386 -e 0 -Ttext 0 --oformat binary -o toykernel.bin toykernel.o
#
# The crate's test `payloads_are_what_their_sources_say` does the same and compares.

        .set    COM1, 0x3f8
        .set    LINE_STATUS, COM1 + 5
        .set    TRANSMITTER_EMPTY, 0x20
        .set    ACPI_PM1A_CONTROL, 0x604        # QEMU's pc and q35 machines
        .set    ACPI_SLEEP_S5, 0x2000
        .set    FLAT_DATA, 8                    # the one descriptor of our GDT

        .code16
        .text

# ---------------------------------------------------------------- the header a loader reads
        .org    0x1f1
        .byte   1                       # setup_sects: real-mode half is (1 + 1) * 512 bytes
        .word   0                       # root_flags
        .long   1                       # syssize, in 16-byte units
        .word   0                       # ram_size
        .word   0xffff                  # vid_mode: normal
        .word   0                       # root_dev
        .word   0xaa55                  # boot_flag
        .byte   0xeb, entry - magic     # a two-byte jump over the rest of the header
magic:  .ascii  "HdrS"
        .word   0x0206                  # protocol version
        .long   0                       # realmode_swtch
        .word   0x1000                  # start_sys_seg
        .word   0                       # kernel_version
        .byte   0                       # type_of_loader: the loader writes itself here
        .byte   1                       # loadflags: LOADED_HIGH
        .word   0x8000                  # setup_move_size
        .long   0x100000                # code32_start
ramdisk_address:
        .long   0
ramdisk_size:
        .long   0
        .long   0                       # bootsect_kludge
        .word   0                       # heap_end_ptr
        .byte   0, 0                    # ext_loader_ver, ext_loader_type
command_line:
        .long   0
        .long   0x37ffffff              # initrd_addr_max
        .long   0x1000                  # kernel_alignment
        .byte   0                       # relocatable_kernel
        .byte   0                       # min_alignment
        .word   0                       # xloadflags
        .long   2047                    # cmdline_size, without its NUL

# ---------------------------------------------------------------- what runs
entry:  push    %ds                     # make CS equal DS, so that labels are file offsets
        push    $main
        lret

main:   cli
        cld
        mov     $hello, %si
        call    print

        mov     command_line, %eax      # a linear address below 1 MiB: turn it into DS:SI
        mov     %ax, %si
        and     $15, %si
        shr     $4, %eax
        push    %ds
        mov     %ax, %ds
        call    print
        pop     %ds

        mov     $ramdisk_is, %si
        call    print
        mov     ramdisk_size, %eax
        call    print_hex

        call    open_all_memory
        xor     %edx, %edx              # EDX: the sum
        mov     ramdisk_address, %esi
        mov     ramdisk_size, %ecx
        jecxz   summed
next_byte:
        movzbl  %fs:(%esi), %eax
        add     %eax, %edx
        inc     %esi
        dec     %ecx
        jnz     next_byte
summed: push    %edx
        mov     $sum_is, %si
        call    print
        pop     %eax
        call    print_hex
        mov     $goodbye, %si
        call    print

        mov     $ACPI_PM1A_CONTROL, %dx
        mov     $ACPI_SLEEP_S5, %ax
        out     %ax, %dx
halt:   hlt
        jmp     halt

# Ramdisks live above 1 MiB: visit protected mode once to give FS a 4 GiB limit, and come back.
open_all_memory:
        xor     %eax, %eax
        mov     %ds, %ax
        shl     $4, %eax
        add     %eax, gdt_address
        lgdtl   gdt_register
        mov     $FLAT_DATA, %bx
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        mov     %bx, %fs
        and     $0xfe, %al
        mov     %eax, %cr0
        ret

# DS:SI points to a text that ends with NUL.
print:  lodsb
        test    %al, %al
        jz      printed
        call    put
        jmp     print
printed:
        ret

# EAX as eight hex digits.
print_hex:
        mov     $8, %cx
digit:  rol     $4, %eax
        push    %eax
        and     $15, %al
        cmp     $10, %al
        jb      decimal
        add     $'a' - '0' - 10, %al
decimal:
        add     $'0', %al
        call    put
        pop     %eax
        loop    digit
        ret

# The character in AL, once the serial port has room for it.
put:    push    %ax
        mov     $LINE_STATUS, %dx
busy:   in      %dx, %al
        test    $TRANSMITTER_EMPTY, %al
        jz      busy
        mov     $COM1, %dx
        pop     %ax
        out     %al, %dx
        ret

hello:          .asciz  "\r\nIRONPXE-TOY cmdline=["
ramdisk_is:     .asciz  "] initrd="
sum_is:         .asciz  " sum="
goodbye:        .asciz  "\r\n"

        .balign 8
gdt:            .quad   0
                .quad   0x00cf92000000ffff      # flat, writable, 4 GiB
gdt_register:   .word   15
gdt_address:    .long   gdt

        .org    1024
        .fill   16, 1, 0xf4             # the protected-mode half: sixteen HLTs
