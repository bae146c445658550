//! Classic NetCDF files for tests, as their specification says.

/// The types by their numbers.
pub(crate) const CHAR: u32 = 2;
pub(crate) const SHORT: u32 = 3;
pub(crate) const FLOAT: u32 = 5;
pub(crate) const DOUBLE: u32 = 6;

/// An attribute: its name, type, and bytes.
pub(crate) type Attribute = (&'static str, u32, Vec<u8>);

/// A variable of a file; its numbers are big-endian, all records one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<usize>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
}

/// A file: a length of 0 is that of the unlimited dimension.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) version: u8,
    pub(crate) records: u64,
    pub(crate) dimensions: Vec<(&'static str, u64)>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) variables: Vec<Variable>,
}

pub(crate) const fn size_of_kind(kind: u32) -> u64 {
    match kind {
        1 | 2 | 7 => 1,
        3 | 8 => 2,
        4 | 5 | 9 => 4,
        _ => 8,
    }
}

impl File {
    fn count(&self, count: u64, to: &mut Vec<u8>) {
        match self.version {
            5 => to.extend(count.to_be_bytes()),
            _ => to.extend(u32::try_from(count).expect("small").to_be_bytes()),
        }
    }

    fn padded(&self, bytes: &[u8], to: &mut Vec<u8>) {
        to.extend(bytes);
        to.resize(to.len().next_multiple_of(4), 0);
    }

    fn attributes(&self, attributes: &[Attribute], to: &mut Vec<u8>) {
        to.extend((if attributes.is_empty() { 0_u32 } else { 12 }).to_be_bytes());
        self.count(attributes.len() as u64, to);
        for (name, kind, bytes) in attributes {
            self.count(name.len() as u64, to);
            self.padded(name.as_bytes(), to);
            to.extend(kind.to_be_bytes());
            self.count(bytes.len() as u64 / size_of_kind(*kind), to);
            self.padded(bytes, to);
        }
    }

    fn has_records(&self, variable: &Variable) -> bool {
        let first = variable.dimensions.first().and_then(|&index| self.dimensions.get(index));
        first.is_some_and(|dimension| dimension.1 == 0)
    }

    fn header(&self, begins: &[u64]) -> Vec<u8> {
        let mut to = b"CDF".to_vec();
        to.push(self.version);
        self.count(self.records, &mut to);
        to.extend((if self.dimensions.is_empty() { 0_u32 } else { 10 }).to_be_bytes());
        self.count(self.dimensions.len() as u64, &mut to);
        for (name, length) in &self.dimensions {
            self.count(name.len() as u64, &mut to);
            self.padded(name.as_bytes(), &mut to);
            self.count(*length, &mut to);
        }
        self.attributes(&self.attributes, &mut to);
        to.extend((if self.variables.is_empty() { 0_u32 } else { 11 }).to_be_bytes());
        self.count(self.variables.len() as u64, &mut to);
        for (variable, begin) in self.variables.iter().zip(begins) {
            self.count(variable.name.len() as u64, &mut to);
            self.padded(variable.name.as_bytes(), &mut to);
            self.count(variable.dimensions.len() as u64, &mut to);
            variable.dimensions.iter().for_each(|&index| self.count(index as u64, &mut to));
            self.attributes(&variable.attributes, &mut to);
            to.extend(variable.kind.to_be_bytes());
            self.count(0, &mut to);
            match self.version {
                1 => to.extend(u32::try_from(*begin).expect("small").to_be_bytes()),
                _ => to.extend(begin.to_be_bytes()),
            }
        }
        to
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut begins = vec![0; self.variables.len()];
        let mut bytes = self.header(&begins);
        let (mut data, start) = (Vec::new(), bytes.len() as u64);
        for (variable, begin) in self.variables.iter().zip(&mut begins) {
            if !self.has_records(variable) {
                *begin = start + data.len() as u64;
                data.extend(&variable.data);
                data.resize(data.len().next_multiple_of(4), 0);
            }
        }
        let records = usize::try_from(self.records).expect("small");
        let with_records = self.variables.iter().filter(|one| self.has_records(one)).count();
        for record in 0..records {
            for (variable, begin) in self.variables.iter().zip(&mut begins) {
                if !self.has_records(variable) {
                    continue;
                }
                if record == 0 {
                    *begin = start + data.len() as u64;
                }
                let slab = variable.data.len() / records;
                data.extend(&variable.data[record * slab..][..slab]);
                if with_records > 1 {
                    data.resize(data.len() + slab.wrapping_neg() % 4, 0);
                }
            }
        }
        bytes = self.header(&begins);
        bytes.extend(data);
        bytes
    }

    pub(crate) fn variable(&mut self, name: &str) -> &mut Variable {
        self.variables.iter_mut().find(|one| one.name == name).expect("it is there")
    }
}

pub(crate) fn text(name: &'static str, text: &str) -> Attribute {
    (name, CHAR, text.as_bytes().to_vec())
}

pub(crate) fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

pub(crate) fn singles(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

pub(crate) fn shorts(numbers: &[i16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

pub(crate) fn variable(name: &str, dimensions: &[usize], kind: u32, data: Vec<u8>) -> Variable {
    let (name, dimensions) = (name.to_owned(), dimensions.to_vec());
    Variable { name, dimensions, attributes: Vec::new(), kind, data }
}

/// A small file as climate models write them: temperatures along an unlimited time, packed
/// precipitation, coordinates with bounds.
pub(crate) fn climate(version: u8) -> File {
    let mut lat = variable("lat", &[1], DOUBLE, doubles(&[-30.0, 30.0]));
    lat.attributes = vec![text("units", "degrees_north"), text("bounds", "lat_bnds")];
    let bounds = variable("lat_bnds", &[1, 3], DOUBLE, doubles(&[-60.0, 0.0, 0.0, 60.0]));
    let lon = variable("lon", &[2], FLOAT, singles(&[0.0, 120.0, 240.0]));
    let mut time = variable("time", &[0], DOUBLE, doubles(&[15.5, 45.0]));
    time.attributes = vec![text("units", "days since 2000-01-01")];
    let numbers: Vec<f32> = (0..12_u8).map(|index| 250.0 + f32::from(index)).collect();
    let mut tas = variable("tas", &[0, 1, 2], FLOAT, singles(&numbers));
    tas.attributes = vec![
        text("units", "K"),
        ("_FillValue", FLOAT, singles(&[1e20])),
        text("cell_measures", "area: areacella"),
    ];
    let numbers: Vec<i16> = (0..6).map(|index| index * 100).collect();
    let mut pr = variable("pr", &[1, 2], SHORT, shorts(&numbers));
    pr.attributes = vec![
        ("scale_factor", DOUBLE, doubles(&[0.1])),
        ("add_offset", DOUBLE, doubles(&[5.0])),
        ("missing_value", SHORT, shorts(&[-999])),
        text("units", "mm"),
    ];
    let names = variable("model", &[3], CHAR, b"ab".to_vec());
    File {
        version,
        records: 2,
        dimensions: vec![("time", 0), ("lat", 2), ("lon", 3), ("bnds", 2)],
        attributes: vec![text("Conventions", "CF-1.8"), text("history", "made by a test")],
        variables: vec![tas, time, lat, bounds, lon, pr, names],
    }
}
