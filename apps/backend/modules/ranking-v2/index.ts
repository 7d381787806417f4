import { createRankingRoutes } from '../../src/ranking/routes.ts';
import { judge } from './judge.ts';

export default createRankingRoutes(judge);
