//! Bytes to numbers: the same wherever ranges are cut, and errors that say where.

mod binary;
mod classic_files;
mod compressed;
mod hostile;
mod hostile_hdf5;
mod netcdf;
mod netcdf4;
mod npz;
mod reading;
mod safetensors;
mod shards;
mod tables;
mod text;
