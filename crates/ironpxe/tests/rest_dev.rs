mod it {
    mod rest;
}
