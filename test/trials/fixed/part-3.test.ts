import { playPart } from '../fixed-set';

playPart(3);
