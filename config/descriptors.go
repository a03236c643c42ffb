package config

// MostDescriptors is more than anything is given of them: beyond it memory is what is short.
const MostDescriptors = 8192
