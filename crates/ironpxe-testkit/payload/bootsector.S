# The first sector of a disk or the boot image of a CD, as a BIOS starts it.
#
# On COM1 it prints one line,
#
#     LOCAL-DISK-BOOT drive=<the BIOS's number of its drive> label=[<label>]
#
# with ` next=[<label>]` behind it when the drive of the next number has such a sector too, and
# switches the machine off through ACPI. So a test sees which of several disks was started, under
# which number, and whether a second volume hangs beside it.
#
# The bytes from 3 to 62 are left to the parameters of a FAT file system: the same sector may
# begin a volume that UEFI starts in its own way. The label is written in by whoever makes the
# disk, at LABEL_OFFSET.
#
# bootsector.bin is this file assembled; it is committed so that nobody needs binutils.
# After a change, from this folder:
#
#     as --32 -o bootsector.o bootsector.S
#     ld -m elf_i386 -e 0 -Ttext 0x7c00 --oformat binary -o bootsector.bin bootsector.o
#
# The crate's test `payloads_are_what_their_sources_say` does the same and compares.

        .set    COM1, 0x3f8
        .set    LINE_STATUS, COM1 + 5
        .set    TRANSMITTER_EMPTY, 0x20
        .set    ACPI_PM1A_CONTROL, 0x604        # QEMU's pc and q35 machines
        .set    ACPI_SLEEP_S5, 0x2000
        .set    NEXT, 0x8000                    # where the next drive's sector is read to
        .set    PARAMETERS_END, 62
        .set    LABEL_OFFSET, 400
        .set    SIGNATURE_OFFSET, 510

        .code16
        .text
start:  .byte   0xeb, entry - start - 2         # the jump that FAT wants to see
        nop

        .org    PARAMETERS_END
entry:  ljmp    $0, $main                       # some come in at 07c0:0000

main:   cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $start, %sp
        sti
        mov     %dl, drive

        mov     $0x0201, %ax                    # read one sector,
        mov     $0x0001, %cx                    # the first of all,
        mov     $NEXT, %bx
        xor     %dx, %dx
        mov     drive, %dl
        inc     %dl                             # of the next drive
        int     $0x13
        setc    no_next
        # From its clock's interrupt the BIOS sends what it still owes to the same port.
        cli

        mov     $hello, %si
        call    print
        mov     drive, %al
        call    print_hex
        mov     $label_is, %si
        call    print
        mov     $label, %si
        call    print

        cmpb    $0, no_next
        jne     off
        cmpw    $0xaa55, NEXT + SIGNATURE_OFFSET
        jne     off
        mov     $next_is, %si
        call    print
        mov     $NEXT + LABEL_OFFSET, %si
        call    print

off:    mov     $goodbye, %si
        call    print
        mov     $ACPI_PM1A_CONTROL, %dx
        mov     $ACPI_SLEEP_S5, %ax
        out     %ax, %dx
halt:   hlt
        jmp     halt

# DS:SI points to a text that ends with NUL.
print:  lodsb
        test    %al, %al
        jz      printed
        call    put
        jmp     print
printed:
        ret

# AL as two hex digits.
print_hex:
        mov     $2, %cx
digit:  rol     $4, %al
        push    %ax
        and     $15, %al
        cmp     $10, %al
        jb      decimal
        add     $'a' - '0' - 10, %al
decimal:
        add     $'0', %al
        call    put
        pop     %ax
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

drive:          .byte   0
no_next:        .byte   0
hello:          .asciz  "\r\nLOCAL-DISK-BOOT drive="
label_is:       .asciz  " label=["
next_is:        .asciz  "] next=["
goodbye:        .asciz  "]\r\n"

        .org    LABEL_OFFSET
label:          .fill   32, 1, 0

        .org    SIGNATURE_OFFSET
        .word   0xaa55
